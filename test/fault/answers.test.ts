import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Artifact } from "../../src/artifact/artifact.ts";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { isRiffleError } from "../../src/errors.ts";
import {
  ASKED,
  FAULT_TABLE,
  faultFiles,
  HEALTHY,
  LATE_MS,
  LIMIT_MS,
  tableFault,
  titleOf,
  type FaultRow,
} from "../support/faults/fault-table.ts";
import { startFaultyRegistry, type FaultyRegistry } from "../support/faults/faulty-registry.ts";

const files = faultFiles();
const healed = new Set<string>();
let registry: FaultyRegistry;
let artifact: Artifact;
beforeAll(async () => {
  registry = await startFaultyRegistry({ files, fault: tableFault(healed) });
  artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
});
afterAll(async () => {
  await artifact.close();
  await registry[Symbol.asyncDispose]();
});

function expectRight(title: string, bytes: Uint8Array): void {
  const content = files.find((file) => file.title === title)?.bytes ?? new Uint8Array();
  expect(Buffer.compare(bytes, content.subarray(ASKED.start, ASKED.end))).toBe(0);
}

function readRow(title: string): Promise<Uint8Array> {
  return artifact.file(title).read(ASKED);
}

/** All rows at once, on one artifact: what befalls one file must not show in another. */
describe("the library, when answers are", () => {
  test.concurrent.each(FAULT_TABLE)("$name", async (row: FaultRow) => {
    const title = titleOf(row);
    const begun = performance.now();
    const outcome: unknown = await readRow(title).catch((error: unknown) => error);
    expect(performance.now() - begun).toBeLessThan(LATE_MS);
    expect(registry.count(title)).toBeLessThanOrEqual(row.requests);
    if (outcome instanceof Uint8Array) {
      expect(row.sees === "right" || row.mayBeRight).toBe(true);
      expectRight(title, outcome);
    } else {
      if (!isRiffleError(outcome)) throw outcome;
      expect([row.sees, outcome.message]).toEqual([expect.arrayContaining([outcome.code]), expect.any(String)]);
      expect(artifact.errors()).toContain(`${title}: `);
    }
    healed.add(title);
    const before = registry.count(title);
    expectRight(title, await readRow(title));
    expect(registry.count(title) - before).toBeLessThanOrEqual(2);
  });
});

test("while one file's requests hang, another's are answered", async () => {
  const title = titleOf(FAULT_TABLE.find(({ name }) => name === "stalled before the headers, always") as FaultRow); // it is there
  healed.delete(title);
  let isOver = false;
  const stuck = artifact
    .file(title)
    .read({ start: 0, end: 4096 })
    .catch((error: unknown) => error)
    .finally(() => (isOver = true));
  const healthy = files.find((file) => file.title === HEALTHY)?.bytes ?? new Uint8Array();
  for (let start = 0; start < healthy.length; start += 65_536) {
    const range = { start, end: Math.min(healthy.length, start + 65_536) };
    expect(Buffer.compare(await artifact.file(HEALTHY).read(range), healthy.subarray(range.start, range.end))).toBe(0);
  }
  expect(isOver).toBe(false);
  expect(await stuck).toMatchObject({ code: "timeout" });
});
