import { afterAll, beforeAll, expect, test } from "vitest";
import { fuzz, type FoundInput, type TargetReport } from "../support/fuzz/supervise.ts";
import { TARGETS } from "../support/fuzz/targets.ts";
import { fuzzRuns } from "../support/seed.ts";

/** All in one child process, one after the other; each test waits for its own. `npm run fuzz` goes on for minutes. */
const { seed, runs } = fuzzRuns();
const names = TARGETS.map(({ name }) => name);
const reports = new Map<string, TargetReport>();
const findings: FoundInput[] = [];
const told = new EventTarget();
let running: Promise<unknown> = Promise.resolve();

beforeAll(() => {
  const tell = (): void => void told.dispatchEvent(new Event("told"));
  running = fuzz({
    targets: names,
    seed,
    runs,
    msEach: 60_000,
    onReport: (report) => {
      reports.set(report.target, report);
      tell();
    },
    onFinding: (finding) => findings.push(finding),
  }).finally(tell);
  // Each test asks for its own end.
  running.catch(() => undefined);
});
afterAll(async () => {
  await running;
});

async function reported(name: string): Promise<TargetReport | undefined> {
  let isOver = false;
  void running.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  while (!reports.has(name)) {
    const next = new Promise((resolve) => told.addEventListener("told", resolve, { once: true }));
    await Promise.race([next, running]);
    if (isOver && !reports.has(name)) return undefined;
  }
  return reports.get(name);
}

test.each(names)(
  `%s: no crash, no hang, no unbounded allocation (seed ${seed})`,
  { timeout: 120_000 },
  async (name) => {
    const report = await reported(name);
    const own = findings.filter((finding) => finding.target === name);
    expect(own.map(({ kind, says, input }) => `${kind}: ${says} (base64 ${input})`)).toEqual([]);
    expect(report?.runs).toBeGreaterThan(0);
  },
);
