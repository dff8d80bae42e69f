import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { GeoTIFF, type TypedArray } from "geotiff";
import type { RangeSource } from "../src/bytes/source.ts";
import { query } from "../test/support/data.ts";
import { ROOT } from "../test/support/root.ts";
import { askFile, describeMean, type Answer } from "./ask.ts";
import type { Question } from "./queries.ts";

/** What the demo uses of the public library (INTERFACE section 6). */
interface Library {
  open(
    reference: string,
    options: { readonly cacheDir: string },
  ): Promise<{ file(path: string): RangeSource; close(): Promise<void> }>;
}

/**
 * The same questions with no mount: geotiff reads through a byte source; for DuckDB, which wants a path, the footer and
 * the column chunks that it names are fetched into a sparse copy of the file.
 */
export async function askLibrary(
  reference: string,
  question: Question,
  options: { readonly path: string; readonly folder: string },
): Promise<Answer> {
  // the build's own entry, which has this shape
  const library = (await import(pathToFileURL(`${ROOT}dist/index.js`).href)) as Library;
  const artifact = await library.open(reference, { cacheDir: join(options.folder, "cache") });
  try {
    const source = artifact.file(options.path);
    if (question.kind === "sql") return await askSparse(source, question, join(options.folder, options.path));
    return await askSource(source, question);
  } finally {
    await artifact.close();
  }
}

const FOOTER_GUESS_BYTES = 64 * 1024;

async function askSparse(
  source: RangeSource,
  question: Extract<Question, { kind: "sql" }>,
  path: string,
): Promise<Answer> {
  const file = openSync(path, "w");
  const copy = async (
    ranges: readonly { readonly start: number; readonly end: number }[],
  ): Promise<readonly Uint8Array[]> => {
    const pieces = await source.readMany(ranges);
    pieces.forEach((piece, i) => void writeSync(file, piece, 0, piece.length, ranges[i]?.start));
    return pieces;
  };
  try {
    ftruncateSync(file, source.size);
    const start = Math.max(4, source.size - FOOTER_GUESS_BYTES);
    const [, tail = new Uint8Array(8)] = await copy([
      { start: 0, end: 4 },
      { start, end: source.size },
    ]);
    const footer = source.size - 8 - new DataView(tail.buffer, tail.byteOffset + tail.length - 8).getUint32(0, true);
    if (footer < start) await copy([{ start: footer, end: start }]);
    const names = question.columns.map((name) => `'${name}'`).join(", ");
    const chunks = await query(
      `SELECT coalesce(dictionary_page_offset, data_page_offset)::VARCHAR AS start, total_compressed_size::VARCHAR AS bytes FROM parquet_metadata('${path}')
       WHERE path_in_schema IN (${names}) AND row_group_id IN (SELECT row_group_id FROM parquet_metadata('${path}') WHERE ${question.groups})`,
    );
    await copy(
      chunks.map((chunk) => ({ start: Number(chunk["start"]), end: Number(chunk["start"]) + Number(chunk["bytes"]) })),
    );
  } finally {
    closeSync(file);
  }
  return askFile(path, question);
}

async function askSource(source: RangeSource, window: Extract<Question, { kind: "window" }>): Promise<Answer> {
  const fetchSlice = async (slice: {
    offset: number;
    length: number;
  }): Promise<{ offset: number; length: number; data: ArrayBuffer }> => {
    const bytes = await source.read({ start: slice.offset, end: slice.offset + slice.length });
    return { ...slice, data: new Uint8Array(bytes).buffer };
  };
  const tiff = await GeoTIFF.fromSource({
    fileSize: source.size,
    fetchSlice,
    fetch: async (slices) => (await Promise.all(slices.map(fetchSlice))).map(({ data }) => data),
    close: async () => undefined,
  });
  const { x, y, width, height } = window;
  const rasters = await (await tiff.getImage(window.level)).readRasters({ window: [x, y, x + width, y + height] });
  // one typed array a band unless `interleave` is asked for
  const band = (Array.isArray(rasters) ? rasters[0] : rasters) as TypedArray;
  let sum = 0;
  for (const value of band) sum += value;
  const bytes = new Uint8Array(band.buffer, band.byteOffset, band.byteLength);
  return { text: describeMean(sum / band.length), proof: createHash("sha256").update(bytes).digest("hex") };
}
