import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { RiffleError } from "../errors.ts";
import type { PageCache } from "../mount/backend.ts";
import { isUnderRiffle } from "../mount/proc-mounts.ts";
import { formatReference, parseReference } from "../oci/reference.ts";
import type { Flags } from "./command.ts";
import type { MountWords } from "./mount-artifact.ts";

function parseId(flags: Flags, name: string, fallback: number): number {
  const text = flags.text(name);
  if (text === undefined) return fallback;
  // 2^32 - 1 means "unchanged" to chown(2): it is nobody's number.
  if (/^\d{1,10}$/.test(text) && Number(text) < 0xffffffff) return Number(text);
  throw new RiffleError("usage", `--${name}: not a number of a user or group: "${text.slice(0, 80)}"`);
}

function parseUmask(text: string | undefined): number {
  if (text === undefined) return 0;
  if (/^0?[0-7]{1,3}$/.test(text)) return Number.parseInt(text, 8);
  throw new RiffleError("usage", `--umask: not an octal mask: "${text.slice(0, 80)}"`, { hint: "such as 022 or 077" });
}

const PAGE_CACHES: readonly PageCache[] = ["auto", "always", "never"];
const BACKENDS: readonly MountWords["backend"][] = ["auto", "kernel", "libfuse"];

/** What the flags of `mount` and `run` say of the mount itself. Throws `usage` naming the flag that is off. */
export function mountWords(flags: Flags): MountWords {
  return {
    backend: BACKENDS.find((name) => name === flags.text("backend")) ?? "auto",
    allowOther: flags.on("allow-other"),
    uid: parseId(flags, "uid", process.getuid?.() ?? 0),
    gid: parseId(flags, "gid", process.getgid?.() ?? 0),
    umask: parseUmask(flags.text("umask")),
    pageCache: PAGE_CACHES.find((name) => name === flags.text("page-cache")) ?? "auto",
  };
}

/** The same reference from any working directory. Throws `usage` when it is none. */
export function absoluteReference(text: string, cwd: string): string {
  const reference = parseReference(text);
  if (reference.kind !== "layout") return text;
  const directory = resolve(cwd, reference.directory);
  return directory.includes(":") ? text : formatReference({ ...reference, directory });
}

/** Looks into the directory that is about to be covered, unless a mount of ours is in the way, which might not answer. */
export function isCovering(directory: string): boolean {
  if (isUnderRiffle(directory)) return false;
  try {
    return readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}
