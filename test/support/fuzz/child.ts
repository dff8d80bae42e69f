/**
 * The process that tries inputs: one that hangs, runs out of memory or takes the process down is told by whoever
 * started it. `node dist-tools/test/support/fuzz/child.js JOB`; one JSON object a line on stdout.
 */
import { openSync, readFileSync, writeSync } from "node:fs";
import { replayInput, runTarget, type Finding } from "./run-target.ts";
import type { ChildJob, ChildMessage } from "./supervise.ts";
import { TARGETS } from "./targets.ts";

const say = (message: ChildMessage): void => void writeSync(1, `${JSON.stringify(message)}\n`);
const told = (name: string, { kind, says, input }: Finding): ChildMessage => ({
  event: "finding",
  target: name,
  kind,
  says,
  input: Buffer.from(input).toString("base64"),
});

// Given by `supervise.ts` alone.
const job = JSON.parse(process.argv[2] ?? "{}") as ChildJob;
const current = openSync(job.currentFile, "w", 0o600);
const head = Buffer.alloc(8);
let count = 0;

function keep(input: Uint8Array): void {
  count += 1;
  head.writeUInt32LE(count, 0);
  head.writeUInt32LE(input.length, 4);
  writeSync(current, input, 0, input.length, 8);
  writeSync(current, head, 0, 8, 0);
}

for (const name of job.targets) {
  const target = TARGETS.find((each) => each.name === name);
  if (target === undefined) throw new Error(`no target is called ${name}`);
  say({ event: "start", target: name });
  // The time that making seeds takes is nobody's run.
  keep(new Uint8Array(0));
  if (job.replay !== undefined) {
    const input = new Uint8Array(readFileSync(job.replay));
    keep(input);
    const findings = await replayInput(target, input);
    for (const finding of findings) say(told(name, finding));
  } else {
    const report = await runTarget(target, {
      seed: job.seed,
      runs: Math.max(1, Math.floor(job.runs / (target.every ?? 1))),
      deadlineMs: Date.now() + job.msEach,
      onInput: keep,
      onFinding: (finding) => say(told(name, finding)),
    });
    say({ event: "report", target: name, ...report, peakBytes: process.resourceUsage().maxRSS * 1024 });
  }
}
say({ event: "end" });
process.exit(0);
