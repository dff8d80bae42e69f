import { RiffleError } from "../../errors.ts";
import type { RasterBand, RasterQuery, RasterReader, RasterWindow, Samples } from "../raster.ts";

export interface EncodeOptions {
  readonly query?: RasterQuery;
  readonly signal?: AbortSignal;
}

/** The result of a query as encoders see it: its size is known before its pixels are. */
export interface RasterResult {
  readonly width: number;
  readonly height: number;
  readonly bands: readonly RasterBand[];
  /** Of one sample. */
  readonly sampleBytes: number;
  readonly first: RasterWindow;
  /** All windows, `first` among them; for one use. */
  windows(): AsyncIterable<RasterWindow>;
}

const SAMPLE_BYTES: Readonly<Record<string, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
  complex64: 8,
  complex128: 16,
};

/** Begins a scan and waits for its first rows. Rejects with what the scan rejects with. */
export async function openResult(reader: RasterReader, options: EncodeOptions = {}): Promise<RasterResult> {
  const { query = {}, signal } = options;
  const scan = reader.scan(query, signal === undefined ? {} : { signal })[Symbol.asyncIterator]();
  const start = await scan.next();
  if (start.done === true) throw new RiffleError("internal", "a raster gave no rows");
  const first = start.value;
  const bands = bandsAsked(reader, query);
  const type = bands[0]?.type ?? "";
  const sampleBytes = SAMPLE_BYTES[type];
  if (sampleBytes === undefined) throw new RiffleError("unsupported", `samples of type ${type} cannot be written`);
  return {
    width: first.width,
    height: first.height,
    bands,
    sampleBytes,
    first,
    windows: async function* () {
      try {
        yield first;
        for (let next = await scan.next(); next.done !== true; next = await scan.next()) yield next.value;
      } finally {
        await scan.return?.();
      }
    },
  };
}

function bandsAsked({ metadata }: RasterReader, { bands }: RasterQuery): readonly RasterBand[] {
  return bands === undefined ? metadata.bands : bands.flatMap((band) => metadata.bands[band - 1] ?? []);
}

/** The same memory. */
export function sampleBytesOf(samples: Samples): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
