import { existsSync, mkdirSync, openSync, closeSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { DuckDBInstance, type Json } from "@duckdb/node-api";
import { runWell } from "./processes.ts";

/** Runs SQL in this process. Never over a mount that this process serves. */
export async function query(sql: string): Promise<readonly Readonly<Record<string, Json>>[]> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Makes `path` once: `make` writes to a draft beside it, which gets the name only when it is whole. */
export async function makeOnce(path: string, make: (draft: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.draft-${process.pid}`;
  try {
    await make(draft);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  return path;
}

/** `select` as a Parquet file with row groups of `rowGroup` rows. */
export function makeParquet(
  path: string,
  select: string,
  options: { readonly rowGroup: number; readonly compression?: string },
): Promise<string> {
  const { rowGroup, compression = "zstd" } = options;
  return makeOnce(path, async (draft) => {
    // one thread, so that equal data gives an equal file
    await query(
      `SET threads = 1; SET preserve_insertion_order = true; COPY (${select}) TO '${draft}' (FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${rowGroup})`,
    );
  });
}

/**
 * Twenty columns that compress about as badly as measurements do: about 120 MB at 1.8 million
 * rows. `fare` is a decimal: its sum does not depend on the order in which threads add it up.
 */
export function measurements(rows: number): string {
  const columns = Array.from({ length: 14 }, (_, i) => `(hash(i * 31 + ${i}) % 1000000)::INTEGER / 100 AS m${i}`);
  return `SELECT i AS id, TIMESTAMP '2024-01-01' + to_seconds(i) AS at, 'station_' || (hash(i) % 500) AS station,
    ((hash(i + 7) % 100000) / 100)::DECIMAL(12, 2) AS fare, (hash(i + 3) % 1000) / 10 AS value, i % 2 = 0 AS flag,
    ${columns.join(", ")} FROM range(${rows}) t(i)`;
}

/** One row of a scene: hills, fields with hard edges, and the sensor's noise; unsigned 16 bit. */
function sceneRow(y: number, width: number): Uint16Array {
  const row = new Uint16Array(width);
  let state = Math.imul(y + 1, 0x9e3779b1) | 1;
  for (let x = 0; x < width; x += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const hills = 1500 + 900 * Math.sin(x / 700 + y / 1900) * Math.cos(y / 500);
    const field = ((x >> 7) * 73 + (y >> 7) * 151) % 400;
    row[x] = hills + field + ((state >>> 8) & 0x1f);
  }
  return row;
}

/** A square scene as raw rows with an ENVI header, which GDAL reads. */
export function writeScene(path: string, size: number): void {
  const file = openSync(path, "w");
  try {
    for (let y = 0; y < size; y += 1) writeSync(file, new Uint8Array(sceneRow(y, size).buffer));
  } finally {
    closeSync(file);
  }
  const header = `ENVI\nsamples = ${size}\nlines = ${size}\nbands = 1\nheader offset = 0\nfile type = ENVI Standard\ndata type = 12\ninterleave = bsq\nbyte order = 0\n`;
  writeFileSync(`${path}.hdr`, header);
}

/** A cloud-optimized GeoTIFF by GDAL: DEFLATE, blocks of 512, overviews; about 160 MB at 10,980 pixels a side. */
export function makeGdalCog(path: string, size: number): Promise<string> {
  return makeOnce(path, async (draft) => {
    const raw = `${draft}.raw`;
    try {
      writeScene(raw, size);
      await runWell("gdal_translate", [
        ..."-q -of COG -co COMPRESS=DEFLATE -co BLOCKSIZE=512 -co NUM_THREADS=2 -a_srs EPSG:32632".split(" "),
        ...`-a_ullr 600000 5100000 ${600_000 + size * 10} ${5_100_000 - size * 10}`.split(" "),
        raw,
        draft,
      ]);
    } finally {
      for (const end of ["", ".hdr", ".aux.xml"]) rmSync(`${raw}${end}`, { force: true });
    }
  });
}
