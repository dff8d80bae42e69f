import { RiffleError } from "../../errors.ts";
import { npyHeader } from "../npy/encode.ts";
import type { RasterReader } from "../raster.ts";
import { openResult, sampleBytesOf, type EncodeOptions, type RasterResult } from "./raster-result.ts";

const DTYPES: Readonly<Record<string, string>> = {
  uint8: "|u1",
  int8: "|i1",
  uint16: "<u2",
  int16: "<i2",
  uint32: "<u4",
  int32: "<i4",
  float32: "<f4",
  uint64: "<u8",
  int64: "<i8",
  float64: "<f8",
  complex64: "<c8",
  complex128: "<c16",
};

/** What several bands may take together: larger results are scanned once for each band. */
const HELD_BYTES = 256 * 1024 * 1024;

/**
 * The result of a query as a NumPy file: rows and columns for one band, else bands, rows and columns. Memory is bounded.
 * Rejects with what the scan rejects with.
 */
export async function* encodeNpy(reader: RasterReader, options: EncodeOptions = {}): AsyncGenerator<Uint8Array> {
  const result = await openResult(reader, options);
  const { width, height, bands } = result;
  const dtype = DTYPES[bands[0]?.type ?? ""];
  if (dtype === undefined)
    throw new RiffleError("unsupported", `NumPy has no type for ${bands[0]?.type ?? "no"} samples`);
  const shape = bands.length === 1 ? [height, width] : [bands.length, height, width];
  yield npyHeader({ dtype, shape });
  if (bands.length === 1) yield* bandBytes(result);
  else if (width * height * bands.length * result.sampleBytes <= HELD_BYTES) yield* heldBands(result);
  else {
    const numbers = options.query?.bands ?? bands.map((_, i) => i + 1);
    await result.windows()[Symbol.asyncIterator]().return?.();
    for (const band of numbers) {
      yield* bandBytes(await openResult(reader, { ...options, query: { ...options.query, bands: [band] } }));
    }
  }
}

async function* bandBytes(result: RasterResult): AsyncGenerator<Uint8Array> {
  for await (const { bands } of result.windows()) {
    for (const samples of bands.slice(0, 1)) yield sampleBytesOf(samples);
  }
}

async function* heldBands(result: RasterResult): AsyncGenerator<Uint8Array> {
  const held: Uint8Array[][] = result.bands.map(() => []);
  for await (const { bands } of result.windows()) {
    for (const [i, samples] of bands.entries()) held[i]?.push(sampleBytesOf(samples));
  }
  for (const band of held) yield* band;
}
