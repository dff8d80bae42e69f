import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createEngine,
  open,
  parsePredicate,
  type ArrayReader,
  type RasterReader,
  type TableReader,
} from "../../src/index.ts";

/** One query by the library, as `timedProgram` runs it: warmed up by a small one of the same kind; ends with a line of JSON. */
export interface QueryTask {
  readonly reference: string;
  readonly cacheDir: string;
  readonly path: string;
  readonly query: Query;
  /** Asked first, of a small artifact with a file of the same name: what is loaded and compiled for it is not what is measured. */
  readonly warm: { readonly reference: string; readonly query: Query };
}

type Query =
  | { readonly kind: "table"; readonly columns?: readonly string[]; readonly where?: string; readonly limit?: number }
  | {
      readonly kind: "raster";
      readonly window: readonly [number, number, number, number];
      readonly size?: readonly [number, number];
    }
  | { readonly kind: "array"; readonly name?: string; readonly slice?: string };

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

/** A function of its own, so that it is compiled soon: what is timed is how the values came, not the adding up. */
function total(values: { readonly length: number; readonly [index: number]: number | bigint }): number {
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) sum += Number(values[at]);
  return sum;
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
      if (values instanceof Float64Array || values instanceof Int32Array) sum += total(values);
    }
  } else if (query.kind === "raster") {
    await using reader = await readers.raster();
    const [x, y, width, height] = query.window;
    const size = query.size === undefined ? {} : { size: { width: query.size[0], height: query.size[1] } };
    for await (const part of reader.scan({ window: { x, y, width, height }, ...size })) {
      for (const band of part.bands) {
        count += band.length;
        sum += total(band);
      }
    }
  } else {
    await using reader = await readers.array();
    const { name, slice } = query;
    for await (const block of reader.scan({ ...(name && { name }), ...(slice && { slice }) })) {
      count += block.data.length;
      sum += total(block.data);
    }
  }
  return { count, sum };
}

const SETTLE_MS = 500;

// given by our own scenario
const task = JSON.parse(process.argv[2] ?? "") as QueryTask;
await using engine = await createEngine({ cacheDir: task.cacheDir });

async function timed(reference: string, query: Query): Promise<QueryResult> {
  const { path } = task;
  const begun = performance.now();
  await using artifact = await open(reference, { engine });
  const result = await answer(
    { table: () => artifact.table(path), raster: () => artifact.raster(path), array: () => artifact.array(path) },
    query,
  );
  return { ms: performance.now() - begun, ...result };
}

await timed(task.warm.reference, task.warm.query);
// What that left running in the background (checking the digest of a blob that is now whole) ends.
await sleep(SETTLE_MS);
process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdout.write(`${JSON.stringify(await timed(task.reference, task.query))}\n`);
process.stdin.destroy();
