import { spawnSync } from "node:child_process";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { isRiffleError } from "../../../src/errors.ts";
import { parquetTable } from "../../../src/formats/parquet/table.ts";
import type { TableReader } from "../../../src/formats/table.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { fixtureSource } from "./fixture-units.ts";

const opened: TableReader[] = [];
afterEach(async () => {
  for (const table of opened.splice(0)) await table.close();
});

async function open(content: Uint8Array, maxBytes?: number): Promise<TableReader> {
  const table = await parquetTable(memorySource("file", content), maxBytes === undefined ? {} : { maxBytes });
  opened.push(table);
  return table;
}

async function count(table: TableReader, columns?: readonly string[]): Promise<number> {
  let rows = 0;
  for await (const batch of table.scan(columns === undefined ? {} : { columns })) rows += batch.numRows;
  return rows;
}

/** A few kilobytes that decode to two gigabytes: one long word, 20,000 times, beside a plain column. */
function bomb(): Uint8Array {
  const word = "x".repeat(100_000);
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "bomb", data: Array.from({ length: 20_000 }, () => word), type: "STRING" },
        { name: "id", data: Int32Array.from({ length: 20_000 }, (_, row) => row), type: "INT32" },
      ],
    }),
  );
}

test("what needs more memory than allowed is an error, and the reader goes on with a new thread", async () => {
  const content = bomb();
  expect(content.length).toBeLessThan(200_000);
  const table = await open(content, 256 * 1024 * 1024);
  const before = process.memoryUsage.rss();
  const refusal = await count(table).catch((error: unknown) => error);
  expect(isRiffleError(refusal)).toBe(true);
  expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 1024 * 1024);
  expect(await count(table, ["id"])).toBe(20_000);
});

test("a column that says that it decodes to more than allowed is refused before it is decoded", async () => {
  const data = Int32Array.from({ length: 100_000 }, (_, row) => (row * 2_654_435_761) | 0);
  const table = await open(
    new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "a", data, type: "INT32" }] })),
    100_000,
  );
  await expect(count(table)).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("100000 bytes") as string,
  });
});

test("closing a table ends its scan with an error, not with fewer rows", async () => {
  const table = await open(
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [{ name: "a", data: Int32Array.from({ length: 50_000 }, (_, row) => row), type: "INT32" }],
        rowGroupSize: 10_000,
      }),
    ),
  );
  const scan = table.scan({})[Symbol.asyncIterator]();
  expect((await scan.next()).value).toMatchObject({ numRows: 10_000 });
  await table.close();
  await expect(scan.next()).rejects.toMatchObject({ code: "closed" });
});

test("any byte of the pages changed gives rows or a RiffleError, and the next file is read as ever", async () => {
  const data = Array.from({ length: 200 }, (_, row) => `word ${row % 17}`);
  const content = new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: "a", data, type: "STRING" }], codec: "SNAPPY" }),
  );
  const sound = await open(content);
  expect(await count(sound)).toBe(200);
  for (let at = 4; at < 120; at += 7) {
    const damaged = content.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0xff;
    const table = await open(damaged);
    const outcome = await count(table).catch((error: unknown) => error);
    expect(typeof outcome === "number" || isRiffleError(outcome)).toBe(true);
    await table.close();
  }
  expect(await count(sound)).toBe(200);
});

test.skipIf(FIXTURES === undefined)("a table that nobody closes does not keep the process alive", async () => {
  const program = `
    import { readFileSync } from "node:fs";
    import { memorySource } from "./dist/bytes/source.js";
    import { parquetTable } from "./dist/formats/parquet/table.js";
    const table = await parquetTable(memorySource("file", readFileSync(process.argv[1])));
    let rows = 0;
    for await (const batch of table.scan({})) rows += batch.numRows;
    console.log(rows);`;
  const path = `${FIXTURES ?? ""}/parquet-testing/data/alltypes_plain.parquet`;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", program, path], {
    encoding: "utf8",
    timeout: 25_000,
  });
  expect({ status: run.status, stdout: run.stdout, stderr: run.stderr }).toEqual({
    status: 0,
    stdout: "8\n",
    stderr: "",
  });
  expect(fixtureSource("parquet-testing/data/alltypes_plain.parquet").size).toBe(1851);
});
