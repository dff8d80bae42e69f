// Random faulty reads for as long as one likes: `npm run faults -- --reads 100000 --seed 1`. Fails when a byte was wrong.
import { parseArgs } from "node:util";
import { randomFaults } from "../dist-tools/test/support/faults/random-faults.js";

const { values } = parseArgs({
  options: { reads: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
});
const reads = Number(values.reads);
const seed = Number(values.seed);
if (!Number.isSafeInteger(reads) || !Number.isSafeInteger(seed) || reads < 1 || seed < 0) {
  console.error("usage: npm run faults -- [--reads N] [--seed N]");
  process.exit(2);
}
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());
const begun = performance.now();
const summary = await randomFaults({ reads, seed, signal: stop.signal, log: (line) => console.error(line) });
console.log(JSON.stringify({ ...summary, seconds: Math.round((performance.now() - begun) / 1000) }, undefined, 2));
process.exitCode = summary.wrong.length === 0 ? 0 : 1;
