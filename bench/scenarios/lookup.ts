import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetMetadata, readOffsetIndex, type ColumnChunk } from "hyparquet";
import { makeOnce, makeParquet, measurements } from "../../test/support/data.ts";
import { coldAnswer, fileSpec } from "../answers.ts";
import { coldCommand } from "../command.ts";
import type { Bench } from "../context.ts";
import { parquetBytes } from "../parquet.ts";
import { duckdb } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Scenario } from "../scenario.ts";

const TABLE = "lookup.parquet";
const ROW_GROUP = 122_880;
const ROW = 730_011;
const COLUMNS = ["id", "at", "fare", "m3"];

async function makePaged(bench: Bench): Promise<string> {
  const plain = await makeParquet(join(bench.folder, "table-1800k.parquet"), measurements(1_800_000), {
    rowGroup: ROW_GROUP,
  });
  return makeOnce(join(bench.folder, "table-1800k-lookup.parquet"), async (draft) => {
    const wasm = await import("parquet-wasm");
    const properties = new wasm.WriterPropertiesBuilder()
      .setCompression(wasm.Compression.ZSTD)
      .setMaxRowGroupSize(ROW_GROUP)
      .setDataPageSizeLimit(64 * 1024)
      .setStatisticsEnabled(wasm.EnabledStatistics.Page)
      .setDictionaryEnabled(false)
      .build();
    writeFileSync(draft, wasm.writeParquet(wasm.readParquet(new Uint8Array(readFileSync(plain))), properties));
  });
}

interface Index {
  readonly start: number;
  readonly length: number;
}

const indexOf = (offset: bigint | undefined, length: number | undefined): Index => ({
  start: Number(offset ?? 0n),
  length: length ?? 0,
});

/** The page of each column that the row lies in, by the offset index, and the index: of these chunks, and the footer. */
function pageBytes(path: string): number {
  const file = readFileSync(path);
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
  const metadata = parquetMetadata(bytes);
  const chunks = metadata.row_groups[Math.floor(ROW / ROW_GROUP)]?.columns ?? [];
  const isWanted = ({ meta_data: meta }: ColumnChunk): boolean => COLUMNS.includes(meta?.path_in_schema[0] ?? "");
  const needed = chunks.filter(isWanted).reduce((sum, chunk) => {
    const offsets = indexOf(chunk.offset_index_offset, chunk.offset_index_length);
    const view = new DataView(bytes, offsets.start, offsets.length);
    const pages = readOffsetIndex({ view, offset: 0 }).page_locations;
    const page = pages.findLast(({ first_row_index: first }) => Number(first) <= ROW % ROW_GROUP);
    return sum + offsets.length + (chunk.column_index_length ?? 0) + (page?.compressed_page_size ?? 0);
  }, 0);
  return needed + metadata.metadata_length + 8;
}

export const pointLookup: Scenario = {
  name: "point-lookup",
  title: "one row by its sorted id, three other columns, of a Parquet file with a page index",
  async run(bench) {
    const path = await makePaged(bench);
    const { reference } = await bench.store("lookup", async () => fileSpec(TABLE, path));
    const sql = (file: string): string => `SELECT "at"::VARCHAR AS at, fare, m3 FROM '${file}' WHERE id = ${ROW}`;
    const right = (await duckdb(sql(path))).rows;
    const mounts = await repeat(bench.runs, () =>
      coldAnswer(bench, reference, { ask: async (folder) => (await duckdb(sql(join(folder, TABLE)))).rows, right }),
    );
    const words = [
      "table",
      reference,
      TABLE,
      "--columns",
      "id,at,fare,m3",
      "--where",
      `id = ${ROW}`,
      "--format",
      "csv",
    ];
    const commands = await repeat(bench.runs, async () => {
      const { stdout, ...cost } = await coldCommand(bench, words);
      if (!stdout.toString().includes(`\n${ROW},`)) throw new Error("riffle table did not find the row");
      return cost;
    });
    const most = (values: readonly number[]): number => Math.max(...values);
    const chunks = await parquetBytes(path, { columns: COLUMNS, groups: [Math.floor(ROW / ROW_GROUP)] });
    return {
      checks: [
        atMost("count", {
          what: "riffle table: blob bytes to the pages and the index",
          value: most(commands.map(({ bytes }) => bytes)) / pageBytes(path),
          limit: 1.2,
          unit: "x",
        }),
        atMost("count", {
          what: "riffle table: requests",
          value: most(commands.map(({ requests }) => requests)),
          limit: 8,
        }),
        atMost("count", {
          what: "DuckDB: blob bytes to the chunks, which it reads, and the footer",
          value: most(mounts.map(({ bytes }) => bytes)) / chunks,
          limit: 1.2,
          unit: "x",
        }),
        atMost("count", { what: "DuckDB: requests", value: most(mounts.map(({ requests }) => requests)), limit: 8 }),
      ],
      facts: { ms: median(mounts.map(({ ms }) => ms)), pages: pageBytes(path), chunks },
      notes: ["DuckDB 1.5 does not use the page index: it reads the chunks of the row group from page to page"],
    };
  },
};

const WIDE = ["c10", "c60", "c61", "c200", "c290"];
const WIDE_TABLE = "wide.parquet";

/** The chunks of some columns, one request after the other: what a reader that merges nothing does. */
async function oneByOne(url: string, path: string): Promise<number> {
  const file = readFileSync(path);
  const metadata = parquetMetadata(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  const begun = performance.now();
  for (const { columns } of metadata.row_groups) {
    for (const { meta_data: meta } of columns) {
      if (meta === undefined || !WIDE.includes(meta.path_in_schema[0] ?? "")) continue;
      const start = Number(meta.dictionary_page_offset ?? meta.data_page_offset);
      const range = `bytes=${start}-${start + Number(meta.total_compressed_size) - 1}`;
      await (await fetch(url, { headers: { range } })).arrayBuffer();
    }
  }
  return performance.now() - begun;
}

export const wideGroups: Scenario = {
  name: "wide-groups",
  title: "DuckDB: five columns of 300 in thirty row groups",
  async run(bench) {
    const columns = Array.from({ length: 300 }, (_, i) => `(hash(i * 31 + ${i}) % 1000)::INTEGER AS c${i}`);
    const path = await makeParquet(
      join(bench.folder, "wide-groups.parquet"),
      `SELECT ${columns.join(", ")} FROM range(60000) t(i)`,
      { rowGroup: 2048 },
    );
    const { reference } = await bench.store("wide-groups", async () => fileSpec(WIDE_TABLE, path));
    const sql = (file: string): string =>
      `SELECT ${WIDE.map((name) => `sum(${name}) AS ${name}`).join(", ")} FROM '${file}'`;
    const right = (await duckdb(sql(path))).rows;
    const url = `${bench.registry.url}/files/wide-groups/${WIDE_TABLE}`;
    const times = await repeat(bench.runs, async () => {
      let ms = 0;
      const ask = async (folder: string): Promise<string> => {
        const begun = performance.now();
        const { rows } = await duckdb(sql(join(folder, WIDE_TABLE)));
        ms = performance.now() - begun;
        return rows;
      };
      const cost = await coldAnswer(bench, reference, { ask, right });
      return { ...cost, ms, singly: await oneByOne(url, path) };
    });
    const needed = await parquetBytes(path, { columns: WIDE });
    return {
      checks: [
        atLeast("aim", {
          what: "faster, with DuckDB's own work, than one request per chunk after the other",
          value: median(times.map(({ ms, singly }) => singly / ms)),
          limit: 5,
          unit: "x",
        }),
        atMost("count", {
          what: "blob bytes to the columns and the footer",
          value: Math.max(...times.map(({ bytes }) => bytes)) / needed,
          limit: 6,
          unit: "x",
        }),
        atMost("count", {
          what: "requests to chunks",
          value: Math.max(...times.map(({ requests }) => requests)) / (30 * WIDE.length),
          limit: 1,
          unit: "x",
        }),
      ],
      facts: { ms: median(times.map(({ ms }) => ms)), singlyMs: median(times.map(({ singly }) => singly)), needed },
    };
  },
};
