import { createHash } from "node:crypto";
import type { RasterQuery, RasterReader, Samples } from "../../../src/formats/raster.ts";

export interface WholeRaster {
  readonly width: number;
  readonly height: number;
  /** Samples as bytes, band after band, row after row. */
  readonly bands: readonly Buffer[];
  readonly samples: readonly (readonly Samples[])[];
  readonly mask: Buffer | undefined;
  readonly windows: number;
}

function bytesOf(samples: Samples): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

/** All of what `scan` gives, put together; checks that rows come in order and are all there. */
export async function readRaster(reader: RasterReader, query: RasterQuery = {}): Promise<WholeRaster> {
  const parts: Buffer[][] = [];
  const samples: Samples[][] = [];
  const masks: Buffer[] = [];
  let [width, height, rows, windows] = [0, 0, 0, 0];
  for await (const window of reader.scan(query)) {
    if (window.row !== rows) throw new Error(`row ${window.row} came after ${rows} rows`);
    [width, height] = [window.width, window.height];
    rows += window.rows;
    windows += 1;
    for (const [i, band] of window.bands.entries()) {
      (parts[i] ??= []).push(bytesOf(band));
      (samples[i] ??= []).push(band);
    }
    if (window.mask !== undefined) masks.push(bytesOf(window.mask));
  }
  if (rows !== height) throw new Error(`${rows} rows of ${height} came`);
  const mask = masks.length === 0 ? undefined : Buffer.concat(masks);
  return { width, height, bands: parts.map((band) => Buffer.concat(band)), samples, mask, windows };
}

export function sha256(bytes: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of bytes) hash.update(part);
  return hash.digest("hex");
}

export interface Statistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

/** Of each band; NaN counts for nothing. */
export function statistics({ samples }: WholeRaster): readonly Statistics[] {
  return samples.map((parts) => {
    let [min, max, sum, count] = [Infinity, -Infinity, 0, 0];
    for (const part of parts) {
      for (const sample of part) {
        const value = Number(sample);
        if (Number.isNaN(value)) continue;
        min = Math.min(min, value);
        max = Math.max(max, value);
        sum += value;
        count += 1;
      }
    }
    return { min, max, mean: sum / count };
  });
}
