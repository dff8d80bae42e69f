import { spawn, spawnSync } from "node:child_process";
import { accessSync, closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ROOT } from "./root.ts";

export interface RunResult {
  /** 128 + n when signal n ended it, as a shell counts. */
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** From the start of the process to its end, milliseconds. */
  readonly ms: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  /** The process is killed after it (default 120 s), so that a hang is a failure and not a wait. */
  readonly timeoutMs?: number;
}

const TERM_STATUS = 128 + 15;

/** Runs a program to its end without blocking this event loop. Rejects only when it cannot be started. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 120_000);
    child.stdout.on("data", (piece: Buffer) => out.push(piece));
    child.stderr.on("data", (piece: Buffer) => err.push(piece));
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({
        status: code ?? (signal === "SIGKILL" ? 128 + 9 : TERM_STATUS),
        stdout: Buffer.concat(out),
        stderr: Buffer.concat(err).toString(),
        ms: performance.now() - begun,
      });
    });
  });
}

/** `run`, but any status other than 0 is an error that shows what the program said. */
export async function runWell(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.status === 0) return result;
  const said = `${result.stderr}${result.stdout.toString()}`.trim().slice(-2000);
  throw new Error(`${command} ${args.join(" ")}: status ${result.status}\n${said}`);
}

export function hasProgram(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why this machine and user cannot mount, or undefined when it can. */
export function mountObstacle(): string | undefined {
  if (process.platform !== "linux") return `no kernel backend on ${process.platform}`;
  try {
    closeSync(openSync("/dev/fuse", "r+"));
  } catch (error) {
    return `/dev/fuse cannot be opened (${error instanceof Error && "code" in error ? String(error.code) : "?"})`;
  }
  const root = process.getuid?.() === 0;
  return root || hasProgram("fusermount3") ? undefined : "no fusermount3 (package fuse3)";
}

/**
 * Shell text for a new mount namespace, which has a copy of every mount: takes those of riffle but `kept` out of it, so that
 * what others unmount meanwhile does not live on in there.
 */
export function otherMountsGo(kept = ""): string {
  const own = `[ "$type" = fuse.riffle ] && [ "$(printf %b "$at")" != "${kept}" ]`;
  return `while read -r _ at type _; do if ${own}; then umount -i -l "$(printf %b "$at")"; fi; done </proc/self/mounts\n`;
}

export interface Folder {
  readonly path: string;
  /** A sub-folder, made when it is first asked for. */
  sub(name: string): string;
  remove(): void;
  [Symbol.dispose](): void;
}

/** A new folder below the system's temporary folder. */
export function temporaryFolder(name: string): Folder {
  const path = mkdtempSync(join(tmpdir(), `riffle-${name}-`));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  return {
    path,
    sub(child) {
      const folder = join(path, child);
      mkdirSync(folder, { recursive: true });
      return folder;
    },
    remove,
    [Symbol.dispose]: remove,
  };
}

export const RIFFLE: string = `${ROOT}dist/cli/main.js`;

/** Every place that riffle keeps things in, inside one folder: nothing of the user's is read or written. */
export function riffleHome(folder: Folder): Record<string, string> {
  return {
    HOME: folder.sub("home"),
    XDG_CACHE_HOME: folder.sub("cache"),
    XDG_CONFIG_HOME: folder.sub("config"),
    XDG_STATE_HOME: folder.sub("state"),
    XDG_RUNTIME_DIR: folder.sub("run"),
    DOCKER_CONFIG: folder.sub("docker"),
    RIFFLE_CACHE_DIR: folder.sub("cache/riffle"),
  };
}

/** The built `riffle`, in a process of its own. */
export function riffle(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(process.execPath, [RIFFLE, ...args], options);
}

/** The accounting of INTERFACE section 4, as far as scripts look at it. */
export interface MountStats {
  readonly reference: string;
  readonly digest: string;
  readonly mountpoint: string;
  readonly pid: number;
  readonly backend: string;
  readonly reads: number;
  readonly bytesRead: number;
  readonly requests: number;
  readonly requestsByKind: Readonly<Record<string, number>>;
  readonly bytesFetched: number;
  readonly bytesFetchedByKind: Readonly<Record<string, number>>;
  readonly passthrough: boolean;
}

export interface MountedArtifact {
  readonly path: string;
  readonly pid: number;
  /** From the start of the command to its return, milliseconds. */
  readonly ms: number;
  /** What the mount says of itself, live. */
  stats(): MountStats;
  /** The most memory that the daemon has had, bytes. */
  peakMemory(): number;
  unmount(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Mounts with the built `riffle` and hands out what a reader needs. Read it from other processes only. */
export async function mountArtifact(
  reference: string,
  path: string,
  options: RunOptions & { readonly flags?: readonly string[] } = {},
): Promise<MountedArtifact> {
  const mounted = await riffle(["mount", reference, path, "--json", ...(options.flags ?? [])], options);
  if (mounted.status !== 0)
    throw new Error(`riffle mount: status ${mounted.status}: ${mounted.stderr.trim()} ${mounted.stdout.toString()}`);
  // the shape is fixed by INTERFACE section 4
  const { pid } = JSON.parse(mounted.stdout.toString()) as MountStats;
  let gone = false;
  const unmount = async (): Promise<void> => {
    if (gone) return;
    gone = true;
    const done = await riffle(["unmount", path], options);
    if (done.status !== 0) {
      spawnSync("umount", ["-l", path]);
      throw new Error(`riffle unmount: status ${done.status}: ${done.stderr.trim()}`);
    }
  };
  return {
    path,
    pid,
    ms: mounted.ms,
    // reading `.oci/stats.json` is answered by another process, so this loop may wait for it
    stats: () => JSON.parse(readFileSync(join(path, ".oci/stats.json"), "utf8")) as MountStats,
    peakMemory: () =>
      Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1024,
    unmount,
    [Symbol.asyncDispose]: unmount,
  };
}
