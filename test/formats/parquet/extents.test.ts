import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { extentRanges, NO_EXTENTS, type ExtentTable } from "../../../src/formats/extents.ts";
import { parquetExtents } from "../../../src/formats/parquet/extents.ts";
import { readFooter } from "../../../src/formats/parquet/footer.ts";
import { loggedSource } from "../../support/logged-source.ts";

function written(options: { readonly index: boolean; readonly columns: number }): Uint8Array {
  const index = { columnIndex: options.index, offsetIndex: options.index };
  const columnData = Array.from({ length: options.columns }, (_, column) => ({
    name: `c${column}`,
    data: BigInt64Array.from({ length: 30_000 }, (_value, row) => BigInt(row * (column + 1))),
    type: "INT64" as const,
    encoding: "PLAIN" as const,
    ...index,
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 10_000, pageSize: 16_384 }));
}

test("without an offset index the units are column chunks, in one read", async () => {
  const source = loggedSource(written({ index: false, columns: 3 }));
  const table = await parquetExtents(source);
  expect(source.calls.length).toBe(1);
  expect(table.count).toBe(9);
  expect([...table.series]).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
  expect(table.starts[0]).toBe(4);
});

test("with an offset index the units are pages that know their chunk, in two reads at most", async () => {
  const chunks = extentRanges(await parquetExtents(loggedSource(written({ index: false, columns: 2 }))));
  const source = loggedSource(written({ index: true, columns: 2 }));
  const table = await parquetExtents(source);
  expect(source.calls.length).toBeLessThanOrEqual(2);
  expect(table.wholes.length).toBe(chunks.length);
  expect(table.count).toBeGreaterThan(3 * chunks.length);
  const ranges = extentRanges(table);
  for (const [row, whole] of table.wholes.entries()) {
    const parts = ranges.filter((_, at) => table.whole[at] === row);
    expect(parts.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(whole.end - whole.start);
  }
});

test("before the offset indexes are there, the fronts of chunks are known; without such indexes nothing is said early", async () => {
  const early: ExtentTable[] = [];
  const table = await parquetExtents(loggedSource(written({ index: true, columns: 2 })), {
    early: (front) => early.push(front),
  });
  expect(early.map(({ wholes }) => wholes)).toEqual([table.wholes]);
  expect(extentRanges(early[0] ?? NO_EXTENTS)).toEqual(
    table.wholes.map(({ start, end }) => ({ start, end: Math.min(end, start + 4096) })),
  );
  await parquetExtents(loggedSource(written({ index: false, columns: 2 })), { early: (front) => early.push(front) });
  expect(early).toHaveLength(1);
});

test("an index over the limit gives no pages, a footer over it nothing", async () => {
  const content = written({ index: true, columns: 2 });
  const { bytes: footer } = await readFooter(loggedSource(content));
  expect((await parquetExtents(loggedSource(content), { maxBytes: footer.length + 10 })).count).toBe(6);
  expect((await parquetExtents(loggedSource(content), { maxBytes: footer.length - 1 })).count).toBe(0);
});
