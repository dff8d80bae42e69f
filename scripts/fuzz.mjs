// What `npm run fuzz` runs after the build: every parser of outside bytes on mutated inputs, each target in a process of its
// own, for `--minutes` in all. Exits 1 on a finding, after writing its input to a file for `--replay`.
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = new URL("..", import.meta.url).pathname;
const HELP = `npm run fuzz -- [--minutes N] [--runs N] [--seed N] [--target NAME]... [--out DIR]
npm run fuzz -- --replay FILE [--target NAME]
npm run fuzz -- --list

  --minutes N    time for all targets together (default 5)
  --runs N       runs of each target; ends earlier when the time is over
  --seed N       the same seed tries the same inputs (default: from the clock, and printed)
  --target NAME  only targets whose names begin so; may be given again
  --out DIR      where inputs of findings are written (default fuzz-findings)
  --replay FILE  tries one input again; its target is the first word of its name

npm run fuzz -- --minutes 5 --seed 7 --target manifest
npm run fuzz -- --replay fuzz-findings/manifest.error.1f2e3d4c`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    runs: { type: "string", default: String(Number.MAX_SAFE_INTEGER) },
    seed: { type: "string" },
    target: { type: "string", multiple: true },
    out: { type: "string", default: "fuzz-findings" },
    replay: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const { fuzz } = await import(`${root}dist-tools/test/support/fuzz/supervise.js`);
const { TARGETS } = await import(`${root}dist-tools/test/support/fuzz/targets.js`);
const { digestOf } = await import(`${root}dist/bytes/digest.js`);
const names = TARGETS.map((target) => target.name);

function fail(message) {
  console.error(message);
  process.exit(2);
}

const wanted = values.target ?? (values.replay === undefined ? [""] : [basename(values.replay).split(".")[0]]);
/** A whole name is one target, anything else the beginning of some. */
const chosen = names.filter((name) =>
  wanted.some((word) => (names.includes(word) ? name === word : name.startsWith(word))),
);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const msEach = (Number(values.minutes) * 60_000) / Math.max(1, chosen.length);
const runs = Number(values.runs);

if (values.help) {
  console.log(HELP);
  process.exit(0);
}
if (values.list) {
  console.log(names.join("\n"));
  process.exit(0);
}
if (chosen.length === 0) fail(`no target is called ${wanted.join(" or ")}; there are ${names.join(", ")}`);
if (![seed, msEach, runs].every((value) => Number.isFinite(value) && value >= 0)) fail(HELP);

const mib = (bytes) => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
const found = new Map();
let totalRuns = 0;
let findings = 0;

function onFinding({ target, kind, says, input }) {
  const bytes = Buffer.from(input, "base64");
  const name = `${target}.${kind}.${digestOf(bytes).slice(7, 15)}`;
  findings += 1;
  found.set(target, (found.get(target) ?? 0) + 1);
  console.log(`FINDING ${target}: ${kind}: ${says}`);
  if (values.replay !== undefined) return;
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, name), bytes);
  console.log(`  ${bytes.length} bytes; again: npm run fuzz -- --replay ${join(values.out, name)} --target ${target}`);
}

function onReport(report) {
  totalRuns += report.runs;
  const slowest = `${report.slowestMs.toFixed(1)} ms on ${report.slowestBytes} bytes`;
  console.log(
    `${report.target.padEnd(22)} ${String(report.runs).padStart(9)} runs  seed ${seed}  ` +
      `${String(report.outcomes).padStart(4)} outcomes  ${found.get(report.target) ?? 0} findings  ` +
      `slowest ${slowest}  most ${mib(report.growthBytes)} in a run  peak ${mib(report.peakBytes)}`,
  );
}

for (const target of chosen) {
  await fuzz({
    targets: [target],
    seed,
    runs,
    msEach,
    onReport,
    onFinding,
    ...(values.replay === undefined ? {} : { replay: resolve(values.replay) }),
  });
}
if (values.replay === undefined)
  console.log(`${totalRuns} runs of ${chosen.length} targets, seed ${seed}, ${findings} findings`);
else console.log(findings === 0 ? `${values.replay}: no finding` : `${values.replay}: ${findings} findings`);
process.exit(findings === 0 ? 0 : 1);
