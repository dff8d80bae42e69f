import { spawnSync } from "node:child_process";

/** Whether there is a Python for the system calls that Node lacks. */
export function hasPython(): boolean {
  return spawnSync("python3", ["-c", "import mmap, fcntl, os; os.getxattr"]).status === 0;
}

const PRELUDE = `
import errno, fcntl, json, mmap, os, sys
root = sys.argv[1]
def path(name): return os.path.join(root, name)
def error(call):
    try:
        call()
        return "none"
    except OSError as e:
        return errno.errorcode[e.errno]
`;

/** Runs `script`, which may use `root`, `path` and `error`, and gives what it printed as JSON. */
export function python(root: string, script: string): unknown {
  const run = spawnSync("python3", ["-c", PRELUDE + script, root], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (run.status !== 0) throw new Error(`python: ${run.stderr}`);
  return JSON.parse(run.stdout);
}
