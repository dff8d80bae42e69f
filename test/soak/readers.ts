import { fork, spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { noise } from "../support/content.ts";
import { ROOT } from "../support/root.ts";
import type { ReaderAnswer, ReaderTask } from "./reader-program.ts";

/** A process that reads, one task at a time. */
export interface Reader {
  readonly pid: number;
  ask(task: ReaderTask): Promise<ReaderAnswer>;
  close(): Promise<void>;
}

const GONE: ReaderAnswer = { bytes: 0, wrong: 0, code: "EXIT", ms: 0 };

/** Reads by `pread`, lists and stats. */
export function startReader(): Reader {
  const child = fork(`${ROOT}dist-tools/test/soak/reader-program.js`, { execArgv: [] });
  return {
    pid: child.pid ?? 0,
    ask: (task) =>
      new Promise((resolve) => {
        const done = (answer: ReaderAnswer): void => {
          child.off("message", onMessage).off("exit", onExit);
          resolve(answer);
        };
        // reader-program.ts sends nothing else
        const onMessage = (message: unknown): void => done(message as ReaderAnswer);
        const onExit = (): void => done(GONE);
        child.on("message", onMessage).once("exit", onExit);
        if (child.connected) child.send(task);
        else done(GONE);
      }),
    close: () => ended(child),
  };
}

const MAPPED = `
import hashlib, json, mmap, os, sys
for line in sys.stdin:
    task = json.loads(line)
    try:
        fd = os.open(task["path"], os.O_RDONLY)
        try:
            with mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as m:
                print("sha256 " + hashlib.sha256(m[task["start"]:task["end"]]).hexdigest(), flush=True)
        finally:
            os.close(fd)
    except OSError as e:
        print("errno %d" % e.errno, flush=True)
`;

/** Reads through a shared mapping, which Node cannot. A page that cannot be had ends the process (SIGBUS); a new one is started. */
export function startMappedReader(digest: (bytes: Uint8Array) => string): Reader {
  let child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  let heard: (said: string) => void = () => undefined;
  const start = (): ChildProcessByStdio<Writable, Readable, null> => {
    const started = spawn("python3", ["-c", MAPPED], { stdio: ["pipe", "pipe", "ignore"] });
    started.stdin.on("error", () => undefined);
    started.once("exit", (_, signal) => heard(`signal ${String(signal)}`));
    createInterface(started.stdout).on("line", (line) => heard(line));
    return started;
  };
  return {
    get pid() {
      return child?.pid ?? 0;
    },
    async ask(task) {
      if (task.kind !== "read") return GONE;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) child = start();
      const begun = performance.now();
      const answer = new Promise<string>((resolve) => (heard = resolve));
      child.stdin.write(`${JSON.stringify(task)}\n`);
      const said = await answer;
      const ms = performance.now() - begun;
      const [word, value = ""] = said.split(" ");
      if (word !== "sha256") return { bytes: 0, wrong: 0, code: said, ms };
      const right = digest(noise(task.seed, task)) === value;
      return { bytes: task.end - task.start, wrong: right ? 0 : task.end - task.start, ms };
    },
    close: async () => {
      if (child !== undefined) await ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  if (child.connected) child.disconnect();
  else child.kill("SIGKILL");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await exit;
  clearTimeout(timer);
}
