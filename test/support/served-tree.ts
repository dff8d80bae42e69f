import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder, runWell } from "./processes.ts";
import type { ServedTree } from "./programs/serve-tree.ts";
import { ROOT } from "./root.ts";
import { spawnSync } from "node:child_process";

const PROGRAMS = `${ROOT}dist-tools/test/support/programs`;

export interface MountedTree extends ServedTree, AsyncDisposable {
  readonly path: string;
  readonly pid: number;
  /** The most memory that its process has had, bytes. */
  peakMemory(): number;
  /** Read and write system calls of its process: each message of the kernel is at least one read. */
  systemCalls(): number;
  stop(): Promise<void>;
}

/** A table of `files` files in `directories` directories, on disk. */
export async function storedTree(file: string, shape: { directories: number; files: number }): Promise<void> {
  await runWell(process.execPath, [`${PROGRAMS}/build-tree.js`, file, `${shape.directories}`, `${shape.files}`]);
}

/** Mounts a stored table in a process of its own, which this one may read. Needs a build and root. */
export async function mountTree(file: string): Promise<MountedTree> {
  const folder = temporaryFolder("tree-mount");
  const path = folder.sub("mnt");
  const child = fork(`${PROGRAMS}/serve-tree.js`, [file, path], { execArgv: [] });
  const pid = child.pid ?? 0;
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await exit;
      clearTimeout(timer);
    }
    spawnSync("umount", ["-i", "-l", path], { stdio: "ignore" });
    folder.remove();
  };
  const first = await Promise.race([
    once(child, "message").then(([message]) => message as ServedTree), // serve-tree.ts sends nothing else
    once(child, "exit").then(() => undefined),
  ]);
  if (first === undefined) {
    await stop();
    throw new Error(`the tree ${file} could not be mounted`);
  }
  const number = (name: string, text: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]);
  return {
    ...first,
    path,
    pid,
    peakMemory: () => number("VmHWM", readFileSync(`/proc/${pid}/status`, "utf8")) * 1024,
    systemCalls: () => number("syscr", readFileSync(`/proc/${pid}/io`, "utf8")),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The same shape as a plain directory of empty files. */
export async function plainTree(folder: string, shape: { directories: number; files: number }): Promise<void> {
  const script = `
import os, sys
folder, directories, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for d in range(directories):
    place = os.path.join(folder, "dir-%04d" % d)
    os.mkdir(place)
    for f in range(files // directories):
        os.close(os.open(os.path.join(place, "file-%06d.npy" % f), os.O_CREAT | os.O_WRONLY))
`;
  await runWell("python3", ["-c", script, join(folder), `${shape.directories}`, `${shape.files}`]);
}
