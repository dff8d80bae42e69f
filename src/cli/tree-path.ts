import { RiffleError } from "../errors.ts";
import type { Artifact, Entry } from "../artifact/artifact.ts";

/** A path as people type it, as the tree spells it: no leading or trailing slash, `.` dropped, `..` kept inside; "" is the root. */
export function treePath(text: string): string {
  const steps: string[] = [];
  for (const step of text.split("/")) {
    if (step === "" || step === ".") continue;
    if (step === "..") steps.pop();
    else steps.push(step);
  }
  return steps.join("/");
}

const ROOT: Entry = { path: "", type: "directory", size: 0, mode: 0o555, mtime: 0 };

/** Throws `not-found` naming path and reference. */
export function entryAt(artifact: Artifact, text: string): Entry {
  const path = treePath(text);
  const entry = path === "" ? ROOT : artifact.entry(path);
  if (entry !== undefined) return entry;
  throw new RiffleError("not-found", `${artifact.reference} has no path "${path}"`, {
    hint: "riffle ls -R shows all paths",
    facts: { path },
  });
}

/** Throws `not-found`, or `usage` when the path is no file. */
export function fileAt(artifact: Artifact, text: string): Entry {
  const entry = entryAt(artifact, text);
  if (entry.type === "file") return entry;
  const kind = entry.type === "directory" ? "a directory" : `a symbolic link to "${entry.target ?? ""}"`;
  throw new RiffleError("usage", `"${entry.path === "" ? "/" : entry.path}" is ${kind}`, {
    hint: entry.type === "directory" ? "riffle cp copies directories" : "name what it points to",
    facts: { path: entry.path },
  });
}

/** Whether `path` lies below `directory` ("" is the root), and directly so. */
export function isBelow(path: string, directory: string): "no" | "child" | "deeper" {
  const prefix = directory === "" ? "" : `${directory}/`;
  if (!path.startsWith(prefix) || path.length <= prefix.length) return "no";
  return path.includes("/", prefix.length) ? "deeper" : "child";
}
