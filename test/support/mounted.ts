import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { MountSettings, MountStats } from "./mount-program.ts";

const PROGRAM = join(import.meta.dirname, "../../dist-tools/test/support/mount-program.js");

/** Real mounts need the device, the right to mount, and compiled threads. */
export const CAN_MOUNT: boolean =
  process.platform === "linux" && process.getuid?.() === 0 && existsSync("/dev/fuse") && existsSync(PROGRAM);
export const PYTHON: boolean = spawnSync("python3", ["--version"]).status === 0;

type Line = Readonly<Record<string, unknown>>;

/** A mount that another process serves. */
export interface MountProcess {
  readonly mountpoint: string;
  readonly child: ChildProcess;
  /** Every line that the program has said. */
  readonly lines: readonly Line[];
  /** The first line, said or to come, that has `key`. */
  said(key: string): Promise<Line>;
  stats(): Promise<MountStats>;
  command(text: string): Promise<Line>;
  /** Ends the program and removes its folder. */
  stop(): Promise<void>;
}

export interface StartOptions extends Partial<MountSettings> {
  readonly argument?: string;
  readonly folder?: string;
  /** A command that starts the program in its place. */
  readonly wrap?: readonly string[];
}

/** Starts the program; `mountpoint` is a folder of its own unless it is given. Does not wait for the mount. */
export function startMount(options: StartOptions): MountProcess {
  const { argument, wrap = [], folder = mkdtempSync(join(tmpdir(), "riffle mount, \\-")), ...rest } = options;
  const settings: MountSettings = { source: "host:5000/a/b@sha256:00", mountpoint: folder, entries: [], ...rest };
  const program = [process.execPath, PROGRAM, JSON.stringify(settings), ...(argument === undefined ? [] : [argument])];
  const [file = "", ...args] = [...wrap, ...program];
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  let gone = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(JSON.parse(line) as Line);
    for (const check of waiting) check();
  });
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => {
      gone = true;
      for (const check of waiting) check();
      resolve();
    });
  });
  const next = (from: number, matches: (line: Line) => boolean): Promise<Line> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const line = lines.slice(from).find(matches);
        if (line === undefined && !gone) return;
        waiting.delete(check);
        if (line === undefined) reject(new Error(`the mount program ended: ${JSON.stringify(lines)}`));
        else resolve(line);
      };
      waiting.add(check);
      check();
    });
  const command = (text: string): Promise<Line> => {
    const answer = next(lines.length, (line) => line["log"] === undefined && line["ended"] === undefined);
    child.stdin.write(`${text}\n`);
    return answer;
  };
  return {
    mountpoint: settings.mountpoint,
    child,
    lines,
    said: (key) => next(0, (line) => line[key] !== undefined),
    command,
    stats: async () => (await command("stats")) as unknown as MountStats,
    stop: async () => {
      child.stdin.end();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the program and waits until the tree answers. */
export async function mounted(options: StartOptions): Promise<MountProcess> {
  const mount = startMount(options);
  await mount.said("ready");
  return mount;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, without blocking this process. Killed after 20 s. */
export function run(file: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 20_000, killSignal: "SIGKILL" });
    const text = { stdout: "", stderr: "" };
    child.stdout.setEncoding("latin1").on("data", (chunk: string) => void (text.stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => void (text.stderr += chunk));
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, ...text }));
  });
}
