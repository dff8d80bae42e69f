import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeGdalCog, makeOnce, makeParquet, measurements, query } from "../../test/support/data.ts";
import { hasProgram, runWell } from "../../test/support/processes.ts";
import { ROOT } from "../../test/support/root.ts";
import type { Bench } from "../context.ts";
import { pythonPeers } from "../python-peers.ts";
import type { QueryResult, QueryTask } from "../probes/query.ts";
import { atMost, median, repeat, type Check, type PeerRow, type Scenario, type ScenarioResult } from "../scenario.ts";
import { tiffWindowBytes } from "../tiff.ts";
import { vsicurl } from "../peers.ts";

/** What a query must move and ask for. `requests` are those for blob bytes, the index's among them. */
interface Limits {
  readonly needed: number;
  readonly ratio: number;
  readonly requests: number;
}

interface Measured {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
}

/** One cold query by the library in a process of its own; a wrong answer is an error. */
async function ask(
  bench: Bench,
  task: Omit<QueryTask, "cacheDir">,
  right: { readonly count: number; readonly sum?: number },
): Promise<Measured> {
  const cacheDir = bench.freshFolder();
  await bench.registry.reset();
  const { stdout } = await runWell(process.execPath, [
    `${ROOT}dist-tools/bench/probes/query.js`,
    JSON.stringify({ ...task, cacheDir }),
  ]);
  // printed by that program
  const { ms, count, sum } = JSON.parse(stdout.toString()) as QueryResult;
  if (count !== right.count || (right.sum !== undefined && Math.abs(sum - right.sum) > 1e-6 * Math.abs(right.sum)))
    throw new Error(`the library's answer is wrong: ${count} and ${sum}, not ${right.count} and ${right.sum ?? "any"}`);
  const { kinds } = await bench.registry.counters();
  return { ms, ...kinds.blob };
}

async function result(
  bench: Bench,
  work: { readonly one: () => Promise<Measured>; readonly limits: Limits; readonly peers?: readonly PeerRow[] },
): Promise<ScenarioResult> {
  const { limits, peers = [] } = work;
  const samples = await repeat(bench.runs, work.one);
  const bytes = Math.max(...samples.map((sample) => sample.bytes));
  const requests = Math.max(...samples.map((sample) => sample.requests));
  const ms = median(samples.map((sample) => sample.ms));
  const checks: Check[] = [
    atMost("count", {
      what: "blob bytes to those needed",
      value: bytes / limits.needed,
      limit: limits.ratio,
      unit: "x",
    }),
    atMost("count", { what: "blob requests", value: requests, limit: limits.requests }),
  ];
  return {
    checks,
    facts: { ms, bytes, requests, needed: limits.needed },
    peers: [{ name: "riffle, library", ms, requests, bytes }, ...peers],
    notes: ["times without process start and compilation; riffle's with the manifest, the others' without"],
  };
}

const TABLE = "trips.parquet";
const ROW_GROUP = 122_880;
const tablePath = (bench: Bench): Promise<string> =>
  makeParquet(join(bench.folder, "table-1800k.parquet"), measurements(1_800_000), { rowGroup: ROW_GROUP });
const warmTable = (bench: Bench): Promise<string> =>
  makeParquet(join(bench.folder, "table-2k.parquet"), measurements(2_000), { rowGroup: 1_000 });

/** The same rows with a page index, which DuckDB does not write. */
async function pagedPath(bench: Bench): Promise<string> {
  const plain = await tablePath(bench);
  return makeOnce(join(bench.folder, "table-1800k-pages.parquet"), async (draft) => {
    const wasm = await import("parquet-wasm");
    const properties = new wasm.WriterPropertiesBuilder()
      .setCompression(wasm.Compression.ZSTD)
      .setMaxRowGroupSize(ROW_GROUP)
      .setDataPageSizeLimit(64 * 1024)
      .setStatisticsEnabled(wasm.EnabledStatistics.Page)
      // As DuckDB does: a dictionary of values that are all different is no help.
      .setDictionaryEnabled(false)
      .setColumnDictionaryEnabled("station", true)
      .build();
    writeFileSync(draft, wasm.writeParquet(wasm.readParquet(new Uint8Array(readFileSync(plain))), properties));
  });
}

interface TableQuestion {
  readonly name: string;
  readonly title: string;
  readonly file: (bench: Bench) => Promise<string>;
  readonly columns?: readonly string[];
  readonly where?: string;
  readonly limit?: number;
  /** What peers are asked, of `FILE`. */
  readonly sql: string;
  /** Row groups whose chunks are needed: those that a predicate or limit leaves. */
  readonly rowGroups?: readonly number[];
  readonly ratio: number;
  readonly requests: number;
}

/** Compressed bytes of the column chunks, and the footer once. */
async function chunkBytes(path: string, question: TableQuestion): Promise<number> {
  const columns = question.columns?.map((name) => `'${name}'`).join(", ");
  const groups = question.rowGroups?.join(", ");
  const where = [columns && `path_in_schema IN (${columns})`, groups && `row_group_id IN (${groups})`].filter(Boolean);
  const rows = await query(
    `SELECT sum(total_compressed_size)::BIGINT::VARCHAR AS bytes FROM parquet_metadata('${path}') WHERE ${where.length === 0 ? "true" : where.join(" AND ")}`,
  );
  return Number(rows[0]?.["bytes"]) + readFileSync(path).subarray(-8).readUInt32LE(0) + 8;
}

function tableScenario(question: TableQuestion): Scenario {
  const { name, title, columns, where, limit } = question;
  return {
    name,
    title,
    async run(bench) {
      const path = await question.file(bench);
      const stored = name.includes("page") ? "paged" : "table";
      const { reference } = await bench.store(stored, async () => ({
        files: [{ title: TABLE, content: { kind: "file", path } }],
      }));
      const picked = columns?.map((column) => `"${column}"`).join(", ") ?? "*";
      const restriction = `${where === undefined ? "" : ` WHERE ${where}`}${limit === undefined ? "" : ` LIMIT ${limit}`}`;
      const rows = await query(
        `SELECT count(*)::VARCHAR AS n${columns?.length === 1 ? `, sum(${picked})::DOUBLE AS s` : ""} FROM (SELECT ${picked} FROM '${path}'${restriction})`,
      );
      const sum = rows[0]?.["s"];
      const right = { count: Number(rows[0]?.["n"]), ...(typeof sum === "number" ? { sum } : {}) };
      const warm = await warmTable(bench);
      const task: Omit<QueryTask, "cacheDir"> = {
        reference,
        path: TABLE,
        warm,
        query: { kind: "table", ...(columns && { columns }), ...(where && { where }), ...(limit && { limit }) },
      };
      return result(bench, {
        one: () => ask(bench, task, right),
        limits: { needed: await chunkBytes(path, question), ratio: question.ratio, requests: question.requests },
        peers: await pythonPeers(bench, { file: `${stored}/${TABLE}`, sql: question.sql, columns, where, limit }),
      });
    },
  };
}

// Rows are a second apart: one per cent of them, inside one row group.
const ONE_PER_CENT = `"at" >= TIMESTAMP '2024-01-07 00:00:00' AND "at" < TIMESTAMP '2024-01-07 05:00:00'`;
const HIT_GROUP = Math.floor((6 * 86_400) / ROW_GROUP);

export const tableColumn: Scenario = tableScenario({
  name: "table-column",
  title: "riffle table: one column of 20, all rows",
  file: tablePath,
  columns: ["value"],
  sql: "SELECT sum(value) FROM FILE",
  ratio: 1.05,
  requests: 15 + 1,
});

export const tableFilter: Scenario = tableScenario({
  name: "table-filter",
  title: "riffle table: a filter on the sorted column, three other columns, 1 % of the rows",
  file: tablePath,
  columns: ["at", "fare", "value", "station"],
  where: ONE_PER_CENT,
  rowGroups: [HIT_GROUP],
  sql: `SELECT fare, value, station FROM FILE WHERE ${ONE_PER_CENT}`,
  ratio: 1.05,
  requests: 8,
});

export const tableFilterPages: Scenario = tableScenario({
  name: "table-filter-pages",
  title: "the same on a file with a page index: at most half of the chunks",
  file: pagedPath,
  columns: ["at", "fare", "value", "station"],
  where: ONE_PER_CENT,
  rowGroups: [HIT_GROUP],
  sql: `SELECT fare, value, station FROM FILE WHERE ${ONE_PER_CENT}`,
  ratio: 0.5,
  requests: 12,
});

export const tableLimit: Scenario = tableScenario({
  name: "table-limit",
  title: "riffle table: all columns, ten rows",
  file: tablePath,
  limit: 10,
  rowGroups: [0],
  sql: "SELECT * FROM FILE LIMIT 10",
  ratio: 1.05,
  requests: 8,
});

const SCENE = "scene.tif";
const WINDOW = [5000, 5100, 1024, 1024] as const;

function rasterScenario(
  name: string,
  title: string,
  work: { readonly window: QueryTask["query"] & { readonly kind: "raster" }; readonly limits: Omit<Limits, "needed"> },
): Scenario {
  return {
    name,
    title,
    obstacle: () => (hasProgram("gdal_translate") ? undefined : "no gdal_translate (package gdal-bin)"),
    async run(bench) {
      const path = await makeGdalCog(join(bench.folder, "scene-10980.tif"), 10_980);
      const warm = await makeGdalCog(join(bench.folder, "scene-512.tif"), 512);
      const { reference } = await bench.store("scene", async () => ({
        files: [{ title: SCENE, content: { kind: "file", path } }],
      }));
      const { window, size } = work.window;
      const [x, y, width, height] = window;
      const sizeWords = size === undefined ? [] : ["-outsize", ...size.map(String)];
      const translate = async (file: string, form: string, config: readonly string[] = []): Promise<string> => {
        const out = join(bench.freshFolder(), "window");
        const words = [x, y, width, height].map(String);
        await runWell("gdal_translate", ["-q", ...config, "-of", form, "-srcwin", ...words, ...sizeWords, file, out]);
        return out;
      };
      const pixels = new Uint16Array(new Uint8Array(readFileSync(await translate(path, "ENVI"))).buffer);
      const right = { count: pixels.length, sum: pixels.reduce((total, value) => total + value, 0) };
      const needed =
        size === undefined ? tiffWindowBytes(path, { x, y, width, height }) : await overviewBytes(path, size[0]);
      const timed = async (file: string, config: readonly string[]): Promise<number> => {
        const begun = performance.now();
        await translate(file, "GTiff", config);
        return performance.now() - begun;
      };
      return result(bench, {
        one: () => ask(bench, { reference, path: SCENE, warm, query: work.window }, right),
        limits: { ...work.limits, needed },
        peers: await vsicurl(bench, `scene/${SCENE}`, timed),
      });
    },
  };
}

/** The bytes of a whole reduced image and of the header, by the format's own index. */
async function overviewBytes(path: string, width: number): Promise<number> {
  const { openRaster } = await import("../../src/index.ts");
  const { memorySource } = await import("../../src/bytes/source.ts");
  await using reader = await openRaster(memorySource("sha256:scene", new Uint8Array(readFileSync(path))));
  const { width: fullWidth, height: fullHeight } = reader.metadata;
  const height = Math.ceil((width * fullHeight) / fullWidth);
  const window = { x: 0, y: 0, width: fullWidth, height: fullHeight };
  return (await reader.plan({ window, size: { width, height } })).bytesNeeded;
}

export const rasterWindow: Scenario = rasterScenario(
  "raster-window",
  "riffle raster: a 1024 x 1024 window of a cloud-optimized GeoTIFF of 10,980 x 10,980",
  { window: { kind: "raster", window: WINDOW }, limits: { ratio: 1.05, requests: 4 } },
);

export const rasterOverview: Scenario = rasterScenario("raster-overview", "riffle raster: all of it at 1/16", {
  window: { kind: "raster", window: [0, 0, 10_980, 10_980], size: [686, 686] },
  limits: { ratio: 1.05, requests: 4 },
});

const TENSORS = 60;
const TENSOR_BYTES = 5 * 1024 * 1024;

/** Sixty tensors of 5 MiB, noise. */
function makeTensors(path: string): Promise<string> {
  return makeOnce(path, async (draft) => {
    const { noise } = await import("../../test/support/content.ts");
    const header: Record<string, unknown> = {};
    for (let i = 0; i < TENSORS; i += 1)
      header[`layer.${i}.weight`] = {
        dtype: "F32",
        shape: [1280, 1024],
        data_offsets: [i * TENSOR_BYTES, (i + 1) * TENSOR_BYTES],
      };
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(draft, Buffer.concat([length, json, noise(5, { start: 0, end: TENSORS * TENSOR_BYTES })]));
  });
}

export const arrayTensor: Scenario = {
  name: "array-tensor",
  title: "riffle array: one tensor of 60",
  async run(bench) {
    const path = await makeTensors(join(bench.folder, "tensors.safetensors"));
    const title = "model.safetensors";
    const { reference } = await bench.store("tensors", async () => ({
      files: [{ title, content: { kind: "file", path } }],
    }));
    const bytes = readFileSync(path);
    const data = 8 + Number(bytes.readBigUInt64LE(0));
    const name = "layer.33.weight";
    const start = data + 33 * TENSOR_BYTES;
    let sum = 0;
    for (const byte of bytes.subarray(start, start + TENSOR_BYTES)) sum += byte;
    return result(bench, {
      one: () =>
        ask(
          bench,
          { reference, path: title, warm: path, query: { kind: "array", name } },
          { count: TENSOR_BYTES, sum },
        ),
      limits: { needed: TENSOR_BYTES + data, ratio: 1.01, requests: 8 },
    });
  },
};
