import { expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { flatgeobuf } from "../../../src/formats/flatgeobuf/module.ts";
import { flatgeobufTable } from "../../../src/formats/flatgeobuf/reader.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";
import { indexedFile } from "./indexed-file.ts";

const file = indexedFile(200);
const box = { west: 50, south: 60, east: 53.5, north: 61 };
const inside = file.points.flatMap(({ x, y }, row) => (x >= 50 && x <= 53.5 && y >= 60 && y <= 61 ? [row] : []));

test("a box reads the levels of the index below the head, and the features that it finds", async () => {
  expect(file.indexBytes).toBeGreaterThan(1_600_000);
  const source = loggedSource(file.bytes);
  await using reader = await flatgeobufTable(source);
  expect(reader.metadata).toMatchObject({ rows: 40_000, format: "flatgeobuf" });
  const text = await readCsv(reader, { bbox: box, columns: ["row"] });
  expect(text.trim().split("\n").slice(1).map(Number)).toEqual(inside);
  expect(inside).toHaveLength(8);
  // The head; the leaves, whose level alone lies behind it; the features.
  expect(source.calls).toHaveLength(3);
  expect(source.bytes()).toBeLessThan(64 * 1024 + 4096 + 8 * 200);
});

test("an index that is small is read at once", async () => {
  const small = indexedFile(64);
  const source = loggedSource(small.bytes);
  await using reader = await flatgeobufTable(source);
  const text = await readCsv(reader, { bbox: { west: 0, south: 0, east: 63, north: 63 }, columns: ["row"] });
  expect(text.trim().split("\n")).toHaveLength(64 * 64 + 1);
  expect(source.calls).toHaveLength(3);
});

test("a box beside everything reads nothing but the head", async () => {
  const source = loggedSource(file.bytes);
  await using reader = await flatgeobufTable(source);
  expect(await readCsv(reader, { bbox: { west: 1000, south: 0, east: 2000, north: 1 }, columns: ["row"] })).toBe(
    "row\n",
  );
  expect(source.calls).toHaveLength(1);
});

test("a box over the antimeridian is its two sides", async () => {
  await using reader = await flatgeobufTable(loggedSource(file.bytes));
  const text = await readCsv(reader, {
    bbox: { west: 198, south: 0, east: 1, north: 0 },
    columns: ["geometry", "row"],
  });
  const rows = file.points.flatMap(({ x, y }, row) => ((x >= 198 || x <= 1) && y === 0 ? [row] : []));
  expect(
    text
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => Number(line.split(",")[1])),
  ).toEqual(rows);
  expect(text.split("\n")[1]).toMatch(/^0101000000[0-9A-F]{32},/);
});

test("box, predicate and limit hold together", async () => {
  await using reader = await flatgeobufTable(loggedSource(file.bytes));
  const where = await parsePredicate("row > 12195 and name like 'point %'");
  const text = await readCsv(reader, { bbox: box, where, limit: 3, columns: ["row"] });
  const rows = inside.filter((row) => row > 12_195).slice(0, 3);
  expect(rows).toHaveLength(3);
  expect(text.trim().split("\n").slice(1).map(Number)).toEqual(rows);
});

test("a limit reads about as much as it needs; all of it comes in few windows", async () => {
  const source = loggedSource(file.bytes);
  await using reader = await flatgeobufTable(source);
  expect((await readCsv(reader, { limit: 5, columns: ["name"] })).split("\n")[5]).toBe("point 4");
  expect(source.calls).toHaveLength(2);
  expect(source.bytes()).toBe(2 * 64 * 1024);
  const before = source.bytes();
  expect((await readCsv(reader, { columns: ["row"] })).trim().split("\n")).toHaveLength(40_001);
  expect(source.bytes() - before).toBe(file.bytes.length - file.indexBytes - (await headerEnd()));
  expect(source.calls.length).toBeLessThanOrEqual(2 + 4);
});

test("the plan knows the features of a box, and what of a file without one", async () => {
  const source = loggedSource(file.bytes);
  await using reader = await flatgeobufTable(source);
  const plan = await reader.plan({ bbox: box });
  expect(plan.pruned).toEqual([{ what: "features by index", total: 40_000, kept: 8 }]);
  expect(plan.requests).toBeLessThanOrEqual(2);
  const table = await flatgeobuf.extents?.(loggedSource(file.bytes));
  expect(table?.count).toBe(1);
  expect((table?.ends[0] ?? 0) - (table?.starts[0] ?? 0)).toBe(file.indexBytes);
});

async function headerEnd(): Promise<number> {
  const view = new DataView(file.bytes.buffer, file.bytes.byteOffset);
  return 12 + view.getUint32(8, true);
}

test("an index that lies is an error, and never a wrong feature", async () => {
  const view = new DataView(file.bytes.buffer, file.bytes.byteOffset);
  const leaves = 12 + view.getUint32(8, true) + file.indexBytes - 40_000 * 40;
  const at = leaves + (inside[0] ?? 0) * 40 + 32;
  for (const [offset, message] of [
    [1n, "does not have the length|has no place"],
    [2n ** 60n, "has no place"],
    [0n, "has no place|does not have the length"],
  ] as const) {
    const bytes = file.bytes.slice();
    new DataView(bytes.buffer).setBigUint64(at, offset, true);
    await using reader = await flatgeobufTable(loggedSource(bytes));
    const thrown: unknown = await readCsv(reader, { bbox: box }).catch((error: unknown) => error);
    // Where 0 leads is a sound feature, but another one: only its length tells.
    expect(isRiffleError(thrown) && thrown.code).toBe("malformed");
    expect((thrown as Error).message).toMatch(new RegExp(message));
  }
});

describeFixtures("damaged FlatGeobuf files", () => {
  const paths = expectedUnits("flatgeobuf")
    .map(([path]) => path)
    .filter((path) => fixtureBytes(path).length < 50_000);
  test.each(paths)("%s: any byte changed, cut anywhere", { timeout: 60_000 }, async (path) => {
    const bytes = fixtureBytes(path);
    let seed = 12_345;
    const random = (below: number): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
    for (let round = 0; round < 120; round++) {
      const damaged = bytes.slice(0, round % 3 === 0 ? random(bytes.length) : bytes.length);
      // Most of what can go wrong stands in the first bytes.
      for (let change = 0; change < 3 && damaged.length > 0; change++)
        damaged[random(Math.min(damaged.length, 2000))] = random(256);
      const thrown: unknown = await flatgeobufTable(loggedSource(damaged))
        .then((reader) => readCsv(reader))
        .catch((error: unknown) => error);
      expect(typeof thrown === "string" || isRiffleError(thrown), `round ${round}: ${String(thrown)}`).toBe(true);
    }
  });
});
