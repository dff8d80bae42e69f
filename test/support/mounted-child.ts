import { fork, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAttached } from "../../src/mount/detach.ts";
import { mountAt } from "../../src/mount/proc-mounts.ts";
import type { TestedBackend } from "./programs/compiled.ts";
import type { ServeMemoryArguments, ServeMemoryCommand } from "./programs/serve-memory.ts";

export const PROGRAMS: string = join(import.meta.dirname, "../../dist-tools/test/support/programs");

/** Why this machine cannot run tests that mount, or undefined. */
export function noMounts(backend: TestedBackend): string | undefined {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return "no usable /dev/fuse";
  }
  if (!existsSync(PROGRAMS)) return "dist-tools is not built";
  if (backend !== "libfuse") return undefined;
  const loads = spawnSync(process.execPath, ["-e", 'require("fuse-native")'], {
    cwd: join(import.meta.dirname, "../.."),
  });
  return loads.status === 0 ? undefined : "fuse-native does not load";
}

export interface MountedChild {
  readonly mountpoint: string;
  readonly pid: number;
  /** What the program said that nobody has taken yet. */
  command(command: ServeMemoryCommand): Promise<Readonly<Record<string, unknown>>>;
  /** Resolves with the reason once the mount has ended. */
  readonly ended: Promise<string>;
  /** Ends the program, whatever state it is in, and takes away its mount and directory. */
  stop(): Promise<void>;
}

type Message = Readonly<Record<string, unknown>>;

/** A mount that another process serves, so that this one may read it. */
export async function mountInChild(args: Omit<ServeMemoryArguments, "mountpoint">): Promise<MountedChild> {
  const mountpoint = mkdtempSync(join(tmpdir(), "riffle-mnt-"));
  const child = fork(join(PROGRAMS, "serve-memory.js"), [JSON.stringify({ ...args, mountpoint })], { execArgv: [] });
  const inbox: Message[] = [];
  let wake: () => void = () => undefined;
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (end = resolve));
  child.on("message", (message: Message) => {
    if ("ended" in message) end(String(message["ended"]));
    else if (!("log" in message)) {
      inbox.push(message);
      wake();
    }
  });
  child.once("exit", () => wake());
  const next = async (): Promise<Message> => {
    while (inbox.length === 0) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error("the serving program ended");
      await new Promise<void>((resolve) => (wake = resolve));
    }
    return inbox.shift() ?? {};
  };
  const first = await next();
  if (first["ready"] !== true) {
    rmdirSync(mountpoint);
    throw new Error(String(first["error"]));
  }
  return {
    mountpoint,
    pid: child.pid ?? 0,
    ended,
    command: async (command) => {
      child.send(command);
      return next();
    },
    stop: () => stop(child, mountpoint),
  };
}

async function stop(child: ChildProcess, mountpoint: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, "exit");
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await exit;
    clearTimeout(timer);
  }
  const mount = mountAt(mountpoint);
  if (mount !== undefined && isAttached(mount)) spawnSync("umount", ["-i", "-c", "-l", mountpoint]);
  rmdirSync(mountpoint);
}
