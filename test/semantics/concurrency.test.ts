import { expect, test } from "vitest";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { noise } from "../support/content.ts";
import { LIMIT_MS } from "../support/faults/fault-table.ts";
import { faultyMount } from "../support/faults/faulty-mount.ts";

/** For what a thread of its own finds out, on a loaded machine. */
const PATIENT = { timeout: 10_000 };

const MIB = 1024 * 1024;
const bytes = noise(5, { start: 0, end: 16 * MIB });
const bench = faultyMount({ files: [{ title: "a.bin", bytes }], isUnmounted: true });
const isRight = (found: Uint8Array, start: number): boolean =>
  Buffer.compare(found, bytes.subarray(start, start + found.length)) === 0;

test("opening an artifact asks for its manifest alone", async () => {
  await using artifact = await openArtifact(bench.registry.reference);
  expect([artifact.file("a.bin").size, bench.registry.requests(), bench.registry.asked.length]).toEqual([
    16 * MIB,
    1,
    0,
  ]);
});

test("a range is half-open, and clipped at the end", async () => {
  await using artifact = await openArtifact(bench.registry.reference);
  const file = artifact.file("a.bin");
  expect((await file.read({ start: 3, end: 7 })).length).toBe(4);
  expect((await file.read({ start: file.size - 3, end: file.size + 100 })).length).toBe(3);
  expect((await file.read({ start: file.size, end: file.size + 100 })).length).toBe(0);
});

test("reads of the same bytes share a request", async () => {
  await using artifact = await openArtifact(bench.registry.reference);
  bench.registry.forget();
  const range = { start: 100_000, end: 400_000 };
  const found = await Promise.all(Array.from({ length: 16 }, () => artifact.file("a.bin").bytes(range)));
  expect([found.every((one) => isRight(one, range.start)), bench.registry.count("a.bin")]).toEqual([true, 1]);
});

test("a reader that gives up fails nobody else's read", async () => {
  bench.registry.setFault(() => ({ kind: "slow", ms: 200 }));
  await using artifact = await openArtifact(bench.registry.reference);
  const range = { start: 0, end: 100_000 };
  const leaves = new AbortController();
  const first = artifact.file("a.bin").bytes(range, { signal: leaves.signal });
  const second = artifact.file("a.bin").bytes(range);
  setImmediate(() => leaves.abort());
  await expect(first).rejects.toMatchObject({ code: "aborted" });
  expect(isRight(await second, 0)).toBe(true);
});

test("a slow answer delays only the bytes that it carries", async () => {
  bench.registry.setFault(({ range }) => (range.start === 8 * MIB ? { kind: "slow", ms: 800 } : undefined));
  await using artifact = await openArtifact(bench.registry.reference, { timeoutMs: LIMIT_MS });
  const order: number[] = [];
  const reads = [8, 0, 4, 12].map(async (at) => {
    const start = at * MIB;
    expect(isRight(await artifact.file("a.bin").read({ start, end: start + 4096 }), start)).toBe(true);
    order.push(at);
  });
  await Promise.all(reads);
  expect(order.at(-1)).toBe(8);
});

test("requests that hang do not keep held bytes from anybody", async () => {
  await using artifact = await openArtifact(bench.registry.reference, { timeoutMs: LIMIT_MS });
  const file = artifact.file("a.bin");
  await file.read({ start: 0, end: MIB });
  bench.registry.setFault(() => ({ kind: "stall" }));
  let isOver = false;
  const stuck = file
    .read({ start: 8 * MIB, end: 9 * MIB })
    .catch(() => undefined)
    .finally(() => (isOver = true));
  for (let start = 0; start < MIB; start += 65_536) {
    expect(isRight(await file.read({ start, end: start + 65_536 }), start)).toBe(true);
  }
  expect(isOver).toBe(false);
  await stuck;
});

test("after close a read rejects as closed, and so does one that is under way", async () => {
  bench.registry.setFault(() => ({ kind: "stall" }));
  const artifact = await openArtifact(bench.registry.reference);
  const file = artifact.file("a.bin");
  const stuck = file.read({ start: 0, end: 10 }).catch((error: unknown) => error);
  await expect.poll(() => bench.registry.count("a.bin"), PATIENT).toBe(1);
  await artifact.close();
  expect(await stuck).toMatchObject({ code: "closed" });
  await expect(file.read({ start: 0, end: 10 })).rejects.toMatchObject({ code: "closed" });
});
