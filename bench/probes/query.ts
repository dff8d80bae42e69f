import { readFileSync } from "node:fs";
import { memorySource } from "../../src/bytes/source.ts";
import {
  createEngine,
  open,
  openArray,
  openRaster,
  openTable,
  parsePredicate,
  type ArrayReader,
  type RasterReader,
  type TableReader,
} from "../../src/index.ts";

/** One query by the library, as `bench/scenarios/queries.ts` asks it; ends with a line of JSON. */
export interface QueryTask {
  readonly reference: string;
  readonly cacheDir: string;
  readonly path: string;
  /** A small local file of the same format: what is compiled and loaded for it is not what is measured. */
  readonly warm: string;
  readonly query:
    | { readonly kind: "table"; readonly columns?: readonly string[]; readonly where?: string; readonly limit?: number }
    | {
        readonly kind: "raster";
        readonly window: readonly [number, number, number, number];
        readonly size?: readonly [number, number];
      }
    | { readonly kind: "array"; readonly name?: string; readonly slice?: string };
}

export interface QueryResult {
  readonly ms: number;
  /** Rows, pixels or bytes that came. */
  readonly count: number;
  /** Of one column, where one was asked for; else of all samples. */
  readonly sum: number;
}

interface Readers {
  readonly table: () => Promise<TableReader>;
  readonly raster: () => Promise<RasterReader>;
  readonly array: () => Promise<ArrayReader>;
}

async function answer(readers: Readers, query: QueryTask["query"]): Promise<Omit<QueryResult, "ms">> {
  let count = 0;
  let sum = 0;
  if (query.kind === "table") {
    await using reader = await readers.table();
    const { columns, where, limit } = query;
    const predicate = where === undefined ? {} : { where: await parsePredicate(where) };
    const rows = reader.scan({ ...predicate, ...(columns && { columns }), ...(limit === undefined ? {} : { limit }) });
    for await (const batch of rows) {
      count += batch.numRows;
      const values: unknown = columns?.length === 1 ? batch.getChildAt(0)?.toArray() : undefined;
      if (values instanceof Float64Array || values instanceof Int32Array) for (const value of values) sum += value;
    }
  } else if (query.kind === "raster") {
    await using reader = await readers.raster();
    const [x, y, width, height] = query.window;
    const size = query.size === undefined ? {} : { size: { width: query.size[0], height: query.size[1] } };
    for await (const part of reader.scan({ window: { x, y, width, height }, ...size })) {
      for (const band of part.bands) {
        count += band.length;
        for (const value of band) sum += Number(value);
      }
    }
  } else {
    await using reader = await readers.array();
    const { name, slice } = query;
    for await (const block of reader.scan({ ...(name && { name }), ...(slice && { slice }) })) {
      count += block.data.length;
      for (const byte of block.data) sum += byte;
    }
  }
  return { count, sum };
}

// given by our own scenario
const task = JSON.parse(process.argv[2] ?? "") as QueryTask;
await using engine = await createEngine({ cacheDir: task.cacheDir });
const { threads } = engine;
const warm = memorySource("sha256:warm", new Uint8Array(readFileSync(task.warm)));
await answer(
  {
    table: () => openTable(warm, { threads }),
    raster: () => openRaster(warm, { threads }),
    array: () => openArray(warm, { threads }),
  },
  task.query.kind === "raster" ? { kind: "raster", window: [0, 0, 64, 64] } : task.query,
);
const begun = performance.now();
await using artifact = await open(task.reference, { engine });
const { path } = task;
const result = await answer(
  { table: () => artifact.table(path), raster: () => artifact.raster(path), array: () => artifact.array(path) },
  task.query,
);
const ms = performance.now() - begun;
process.stdout.write(`${JSON.stringify({ ms, ...result } satisfies QueryResult)}\n`);
