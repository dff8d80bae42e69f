import type { Entry } from "../../artifact/artifact.ts";
import type { Run } from "../command.ts";
import { openFor, unpackOf } from "../open.ts";
import { entryAt, isBelow } from "../tree-path.ts";

const TYPE_LETTERS: Readonly<Record<Entry["type"], string>> = { file: "-", directory: "d", symlink: "l" };
const SIZE_COLUMNS = 14;

/** `drwxr-xr-x`, as `ls -l` writes it. */
export function modeText({ type, mode }: Pick<Entry, "type" | "mode">): string {
  const bits = Array.from("rwxrwxrwx").map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : "-"));
  for (const [bit, at, lower, upper] of [
    [0o4000, 2, "s", "S"],
    [0o2000, 5, "s", "S"],
    [0o1000, 8, "t", "T"],
  ] as const) {
    if ((mode & bit) !== 0) bits[at] = bits[at] === "-" ? upper : lower;
  }
  return TYPE_LETTERS[type] + bits.join("");
}

/** INTERFACE, `ls --json`. */
export function entryJson({ path, type, size, mode, mtime, digest }: Entry): string {
  return JSON.stringify({ path, type, size, mode: mode & 0o7777, mtime: Math.trunc(mtime), digest: digest ?? null });
}

/** The last date that `Date` knows (ECMA-262, "Time Values and Time Range"). */
const LAST_SECOND = 8.64e12;

function longLine(entry: Entry, name: string): string {
  const seconds = Math.max(-LAST_SECOND, Math.min(LAST_SECOND, Math.trunc(entry.mtime)));
  const time = new Date(seconds * 1000).toISOString().replace(/\.000Z$/, "Z");
  const link = entry.target === undefined ? "" : ` -> ${entry.target}`;
  return `${modeText(entry)} ${String(entry.size).padStart(SIZE_COLUMNS)} ${time} ${name}${link}`;
}

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  await using artifact = await openFor(context, reference, {
    include: flags.list("include"),
    exclude: flags.list("exclude"),
    unpack: unpackOf(flags),
  });
  const top = entryAt(artifact, path);
  const recursive = flags.on("recursive");
  const show = (entry: Entry): Promise<void> => {
    if (context.settings.json) return context.out.line(entryJson(entry));
    const name = recursive || top.type !== "directory" ? entry.path : entry.path.slice(entry.path.lastIndexOf("/") + 1);
    return context.out.line(flags.on("long") ? longLine(entry, name) : name);
  };
  if (top.type !== "directory") {
    await show(top);
    return 0;
  }
  for (const entry of artifact.entries(top.path)) {
    const below = isBelow(entry.path, top.path);
    if (below === "child" || (recursive && below === "deeper")) await show(entry);
    context.signal.throwIfAborted();
  }
  return 0;
};
