import { expect, test } from "vitest";
import { randomFaults } from "../support/faults/random-faults.ts";

const READS = 1000;

/** `npm run faults -- --reads N --seed N` is the same for longer. */
test.each([1, 2, 3, 4, 5])(
  "1,000 reads under random faults, seed %i: no wrong byte",
  { timeout: 90_000 },
  async (seed) => {
    const summary = await randomFaults({ reads: READS, seed });
    console.log(JSON.stringify(summary));
    expect(summary.wrong).toEqual([]);
    expect(summary.reads).toBe(READS);
    expect(summary.right + summary.failed + summary.aborted).toBe(READS);
    // faults there were, and most reads came through them
    expect(summary.faulted).toBeGreaterThan(READS / 20);
    expect(summary.right).toBeGreaterThan(READS / 2);
  },
);
