import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../root.ts";

/** What a child is started with. */
export interface ChildJob {
  readonly targets: readonly string[];
  readonly seed: number;
  readonly runs: number;
  /** For each target. */
  readonly msEach: number;
  /** Holds the input that is tried at the moment: number and length as 32 bits each, then its bytes. */
  readonly currentFile: string;
  /** Tries this file alone. */
  readonly replay?: string;
}

export interface TargetReport {
  readonly target: string;
  readonly runs: number;
  readonly outcomes: number;
  readonly slowestMs: number;
  readonly slowestBytes: number;
  readonly growthBytes: number;
  /** Of the whole process. */
  readonly peakBytes: number;
}

export interface FoundInput {
  readonly target: string;
  readonly kind: "error" | "slow" | "memory" | "hang" | "crash";
  readonly says: string;
  /** Base64. */
  readonly input: string;
}

export type ChildMessage =
  | { readonly event: "start"; readonly target: string }
  | ({ readonly event: "report" } & TargetReport)
  | ({ readonly event: "finding" } & FoundInput)
  | { readonly event: "end" };

export interface FuzzOptions extends Omit<ChildJob, "currentFile"> {
  readonly onReport?: (report: TargetReport) => void;
  readonly onFinding?: (finding: FoundInput) => void;
}

const POLL_MS = 250;
/** Of processor time on one input; of wall time, for one that waits for what never comes. */
const HANG_CPU_MS = 4000;
const HANG_WALL_MS = 30_000;
const MOST_SUSPECTS = 2;
const HEAP_MIB = 768;

/** Runs targets in a child process, and goes on behind one that took the process with it. */
export async function fuzz(options: FuzzOptions): Promise<readonly FoundInput[]> {
  const folder = mkdtempSync(join(tmpdir(), "riffle-fuzz-"));
  const findings: FoundInput[] = [];
  const note = (finding: FoundInput): void => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  try {
    const { onReport, onFinding: _, ...job } = options;
    const currentFile = join(folder, "current");
    const suspects = new Map<string, number>();
    for (let left = options.targets; left.length > 0;) {
      const stop = await runChild({ ...job, targets: left, currentFile }, note, onReport);
      if (stop === undefined) break;
      const { target, hung } = stop;
      left = left.slice(left.indexOf(target) + (hung === undefined ? 1 : 0));
      if (hung === undefined) continue;
      // On a machine that stands still everything hangs: only what hangs a second time, alone, is a finding.
      const replay = join(folder, "suspect");
      writeFileSync(replay, hung);
      const again = await runChild({ ...job, targets: [target], currentFile, replay }, note);
      const times = (suspects.get(target) ?? 0) + 1;
      suspects.set(target, times);
      const isHang = again !== undefined && again.hung !== undefined;
      if (isHang || times > MOST_SUSPECTS) {
        note({ target, kind: "hang", says: "a run does not come back", input: Buffer.from(hung).toString("base64") });
        left = left.slice(1);
      }
    }
    return findings;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Stop {
  readonly target: string;
  /** The input that was tried for too long. */
  readonly hung: Uint8Array | undefined;
}

/** Resolves to where the child did not come to its end, if it did not; a crash is noted. */
async function runChild(
  job: ChildJob,
  note: (finding: FoundInput) => void,
  onReport?: FuzzOptions["onReport"],
): Promise<Stop | undefined> {
  const program = join(ROOT, "dist-tools/test/support/fuzz/child.js");
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, program, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let target = "";
  let isOver = false;
  let lastWords = "";
  child.stderr.on("data", (part: Buffer) => (lastWords = (lastWords + part.toString()).slice(-2000)));
  createInterface({ input: child.stdout }).on("line", (line) => {
    // Written by `child.ts` alone.
    const message = JSON.parse(line) as ChildMessage;
    if (message.event === "start") target = message.target;
    else if (message.event === "report") onReport?.(message);
    else if (message.event === "finding") note(message);
    else isOver = true;
  });
  const watch = watchInput(child.pid ?? 0, job.currentFile, () => child.kill("SIGKILL"));
  const ended = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? `exit code ${code ?? "none"}`));
  });
  const isHung = watch.stop();
  if (isOver) return undefined;
  const bytes = currentInput(job.currentFile)?.bytes ?? new Uint8Array(0);
  if (isHung) return { target, hung: bytes };
  const says = `the process ended (${ended}): ${lastWords.trim().slice(0, 600)}`;
  note({ target, kind: "crash", says, input: Buffer.from(bytes).toString("base64") });
  return { target, hung: undefined };
}

/** Calls `onHang` once an input has been tried for too long. */
function watchInput(pid: number, file: string, onHang: () => void): { readonly stop: () => boolean } {
  let last = { count: -1, cpuMs: 0, wallMs: 0 };
  let isHung = false;
  const timer = setInterval(() => {
    const count = currentInput(file)?.count ?? -1;
    const now = { count, cpuMs: cpuMsOf(pid), wallMs: performance.now() };
    if (count < 0 || count !== last.count) last = now;
    else if (now.cpuMs - last.cpuMs > HANG_CPU_MS || now.wallMs - last.wallMs > HANG_WALL_MS) {
      isHung = true;
      onHang();
    }
  }, POLL_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return isHung;
    },
  };
}

function currentInput(file: string): { readonly count: number; readonly bytes: Uint8Array } | undefined {
  try {
    const fd = openSync(file, "r");
    try {
      const head = Buffer.alloc(8);
      if (readSync(fd, head, 0, 8, 0) < 8) return undefined;
      const bytes = new Uint8Array(head.readUInt32LE(4));
      readSync(fd, bytes, 0, bytes.length, 8);
      return { count: head.readUInt32LE(0), bytes };
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** User and system time of a process, proc(5) fields 14 and 15 in ticks of 10 ms; 0 where there is no /proc. */
function cpuMsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}
