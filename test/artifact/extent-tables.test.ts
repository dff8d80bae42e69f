import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExtentTables } from "../../src/artifact/extent-tables.ts";
import { memorySource, type RangeSource } from "../../src/bytes/source.ts";
import { RiffleError } from "../../src/errors.ts";
import { extentTable, type ExtentTable } from "../../src/formats/extents.ts";
import { FORMATS, type Format } from "../../src/formats/formats.ts";
import { makeParquet } from "../support/data.ts";
import { loggedSource } from "../support/logged-source.ts";

const parquet = FORMATS.find(({ name }) => name === "parquet") as Format; // it is in the table
const signal = new AbortController().signal;

let folder: string;
/** Of 200 columns: a footer of more than 256 KiB. */
let wide: Uint8Array;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "riffle-tables-"));
  const columns = Array.from({ length: 200 }, (_, i) => `(i * ${i + 1}) % 1000 AS c${i}`);
  const path = join(folder, "wide.parquet");
  await makeParquet(path, `SELECT ${columns.join(", ")} FROM range(40960) t(i)`, { rowGroup: 2048 });
  wide = readFileSync(path);
});
afterAll(() => rmSync(folder, { recursive: true }));

function tables(): { readonly tables: ExtentTables; readonly said: string[] } {
  const said: string[] = [];
  return { tables: new ExtentTables({ log: (message) => void said.push(message) }), said };
}

/** A format whose index is what `extents` makes of it. */
function formatOf(extents: (source: RangeSource) => Promise<ExtentTable>): Format {
  const load = (): ReturnType<NonNullable<Format["load"]>> =>
    Promise.resolve({ info: () => Promise.reject(new Error("not asked for")), extents });
  return { ...parquet, load };
}

test("a large index is parsed in a thread, to the same units, in two reads", async () => {
  const source = loggedSource(wide);
  const table = await tables().tables.of(source, { format: parquet, signal });
  const module = await parquet.load?.();
  expect(table).toEqual(await module?.extents?.(memorySource("wide", wide)));
  expect(table?.count).toBe(200 * 20);
  // The tail, twice (a cache answers the second), and the footer.
  expect(source.calls.length).toBeLessThanOrEqual(3);
});

test("a table is remembered, also that there is none; what failed on the way is tried anew", async () => {
  const { tables: known } = tables();
  let calls = 0;
  const counted = (answer: () => Promise<ExtentTable>): Format =>
    formatOf(() => {
      calls += 1;
      return answer();
    });
  const one = extentTable([{ start: 0, end: 10, series: 0 }], 100);
  const good = { format: counted(() => Promise.resolve(one)), signal };
  for (let time = 0; time < 2; time++)
    expect(await known.of(memorySource("good", new Uint8Array(100)), good)).toBe(one);
  expect(calls).toBe(1);
  const broken = { format: counted(() => Promise.reject(new RiffleError("malformed", "no"))), signal };
  for (let time = 0; time < 2; time++)
    expect(await known.of(memorySource("broken", new Uint8Array(100)), broken)).toBeUndefined();
  expect(calls).toBe(2);
  const away = { format: counted(() => Promise.reject(new RiffleError("unreachable", "no"))), signal };
  for (let time = 0; time < 2; time++)
    expect(await known.of(memorySource("away", new Uint8Array(100)), away)).toBeUndefined();
  expect(calls).toBe(4);
});

test("an index that is a long chain of reads, or too large, gives no units", async () => {
  const source = loggedSource(new Uint8Array(64 * 1024 * 1024));
  const chain = formatOf(async (own) => {
    for (let at = 0; ; at += 16) await own.read({ start: at, end: at + 16 });
  });
  expect(await tables().tables.of(source, { format: chain, signal })).toBeUndefined();
  expect(source.calls.length).toBeLessThanOrEqual(16);
});

test("a footer that claims more than the file, or is garbage, gives no units", async () => {
  const garbage = new Uint8Array(2_000_000).fill(0xff);
  garbage.set(Buffer.from("PAR1"), garbage.length - 4);
  new DataView(garbage.buffer).setUint32(garbage.length - 8, 1_500_000, true);
  expect(await tables().tables.of(memorySource("garbage", garbage), { format: parquet, signal })).toBeUndefined();
  const short = garbage.slice(-1000);
  expect(await tables().tables.of(memorySource("short", short), { format: parquet, signal })).toBeUndefined();
});

test("nobody waits for a table whose content was closed", async () => {
  const controller = new AbortController();
  const source: RangeSource = {
    ...memorySource("waits", wide),
    read: (_, options) =>
      new Promise((_resolve, reject) => {
        options?.signal?.addEventListener("abort", () => reject(new RiffleError("aborted", "closed")));
      }),
  };
  const table = tables().tables.of(source, { format: parquet, signal: controller.signal });
  setTimeout(() => controller.abort(), 5);
  expect(await table).toBeUndefined();
});
