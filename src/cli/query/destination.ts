import { randomBytes } from "node:crypto";
import { closeSync, linkSync, lstatSync, openSync, realpathSync, renameSync, rmSync, statSync, write } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { RiffleError } from "../../errors.ts";
import type { Context } from "../command.ts";

const writeTo = promisify(write);

/** Where the bytes of a result go. */
export interface Destination extends Disposable {
  /** Undefined for stdout. */
  readonly path: string | undefined;
  /** Bytes that were given to it. */
  readonly written: number;
  bytes(bytes: Uint8Array): Promise<void>;
  /** All is written: a file gets its name. */
  finish(): Promise<void>;
  /** Nothing of a file that is not finished stays. Never throws. */
  [Symbol.dispose](): void;
}

/** stdout, without `-o` or with `-o -`. Otherwise a file, which must not be there unless `force`. Throws `exists`, `not-found`. */
export function openDestination(
  context: Pick<Context, "cwd" | "out">,
  options: { readonly output: string | undefined; readonly force: boolean },
): Destination {
  const { output, force } = options;
  if (output === undefined || output === "-") return streamDestination(context.out);
  const path = resolve(context.cwd, output);
  const parent = dirname(path);
  if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new RiffleError("not-found", `there is no directory ${parent}`, { hint: "make it, or choose another place" });
  }
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw inTheWay(path, "is a directory");
  // A pipe or a device: there is nothing to replace, and nothing that a rename could give.
  if (there !== undefined && !there.isFile()) return fileDestination(path, { part: undefined, force });
  if (!force && lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw inTheWay(path, "is there already");
  const target = there === undefined ? path : realpathSync(path);
  const part = join(dirname(target), `.riffle-${randomBytes(12).toString("hex")}.part`);
  return fileDestination(target, { part, force });
}

function inTheWay(path: string, why: string): RiffleError {
  const hint = why === "is a directory" ? "name a file in it" : "--force replaces it; or choose another name";
  return new RiffleError("exists", `${path} ${why}`, { hint, facts: { path } });
}

function streamDestination(out: Context["out"]): Destination {
  let count = 0;
  return {
    path: undefined,
    get written(): number {
      return count;
    },
    bytes: async (bytes) => {
      count += bytes.length;
      await out.bytes(bytes);
    },
    finish: () => out.flush(),
    [Symbol.dispose]: () => undefined,
  };
}

/** Under `part` until it is whole; straight to `target` without one. */
function fileDestination(
  target: string,
  { part, force }: { readonly part: string | undefined; readonly force: boolean },
): Destination {
  let fd: number | undefined = openSync(part ?? target, part === undefined ? "w" : "wx", 0o666);
  let count = 0;
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  const abandon = (): void => {
    process.removeListener("exit", abandon);
    try {
      close();
      if (part !== undefined) rmSync(part, { force: true });
    } catch {
      // The failure that led here is the one to be told.
    }
  };
  // A second signal ends the process at once.
  if (part !== undefined) process.once("exit", abandon);
  return {
    path: target,
    get written(): number {
      return count;
    },
    bytes: async (bytes) => {
      if (fd === undefined) throw new RiffleError("closed", `${target} is closed`);
      for (let done = 0; done < bytes.length;) {
        done += (await writeTo(fd, bytes, done, bytes.length - done, null)).bytesWritten;
      }
      count += bytes.length;
    },
    finish: async () => {
      close();
      if (part !== undefined) give(part, target, force);
      abandon();
    },
    [Symbol.dispose]: abandon,
  };
}

/** The final name: over what is there with `force`, else only where nothing has come to be in the meantime. */
function give(part: string, target: string, force: boolean): void {
  if (force) return renameSync(part, target);
  try {
    linkSync(part, target);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") throw inTheWay(target, "is there already");
    // File systems without hard links.
    renameSync(part, target);
  }
}

export interface FormatChoice<Name extends string> {
  readonly flag: string | undefined;
  readonly output: string | undefined;
  /** Lower case, with the dot. */
  readonly endings: Readonly<Record<string, Name>>;
  readonly names: readonly Name[];
  readonly fallback: Name;
}

/** `--format`, else what the output's name ends in, else the fallback. Throws `usage` for an ending that says nothing. */
export function chooseFormat<Name extends string>(choice: FormatChoice<Name>): Name {
  const { flag, output, endings, names, fallback } = choice;
  const named = names.find((name) => name === flag);
  if (named !== undefined) return named;
  const ending = output === undefined ? "" : extname(basename(output)).toLowerCase();
  const found = ending === "" ? fallback : endings[ending];
  if (found !== undefined) return found;
  throw new RiffleError("usage", `"${ending}" does not tell which format is wanted`, {
    hint: `--format ${names.join("|")}`,
  });
}

/** Throws `usage` where binary data would go to a terminal, or anything but JSON to a stdout that is promised JSON. */
export function checkStdout(
  context: Pick<Context, "out" | "settings">,
  options: { readonly output: string | undefined; readonly format: string; readonly kind: "binary" | "json" | "text" },
): void {
  const { output, format, kind } = options;
  if (output !== undefined && output !== "-") return;
  if (context.settings.json && kind !== "json") {
    throw new RiffleError("usage", `with --json stdout is JSON alone, and ${format} is not`, {
      hint: "-o FILE takes the data; --format json is JSON where the command has it",
    });
  }
  if (kind === "binary" && context.out.isTerminal) {
    throw new RiffleError("usage", `${format} is binary, and stdout is a terminal`, {
      hint: "-o FILE writes a file; or send it into a pipe",
    });
  }
}
