import type { RasterWindow, Samples } from "../raster.ts";

/** Sample values that become 0 and 255. */
export interface Stretch {
  readonly low: number;
  readonly high: number;
}

/** More samples than this tell nothing new of a distribution. */
const MOST_SAMPLES = 1_000_000;

export interface BandSamples {
  readonly windows: readonly RasterWindow[];
  readonly band: number;
  readonly nodata: number | undefined;
}

/** Whether a value counts: numbers that are neither nodata nor masked. */
export function isData(
  value: number,
  { nodata, mask }: { readonly nodata: number | undefined; readonly mask: number },
): boolean {
  return Number.isFinite(value) && value !== nodata && mask !== 0;
}

/** The 2nd and 98th percentile of a band, of an even choice of its pixels. Where both are equal: the smallest and largest value. */
export function percentileStretch({ windows, band, nodata }: BandSamples): Stretch {
  const total = windows.reduce((sum, window) => sum + window.rows * window.width, 0);
  const step = Math.max(1, Math.floor(total / MOST_SAMPLES));
  const values: number[] = [];
  for (const { bands, mask } of windows) {
    const samples = bands[band];
    if (samples === undefined) continue;
    for (let i = 0; i < samples.length; i += step) {
      const value = Number(samples[i]);
      if (isData(value, { nodata, mask: mask?.[i] ?? 255 })) values.push(value);
    }
  }
  const sorted = Float64Array.from(values).sort();
  const at = (fraction: number): number => sorted[Math.round(fraction * (sorted.length - 1))] ?? 0;
  return at(0.02) < at(0.98) ? { low: at(0.02), high: at(0.98) } : { low: at(0), high: at(1) };
}

/** To 0..255, clamped; what cannot be told apart is the middle. */
export function stretched(
  samples: Samples,
  options: { readonly at: number; readonly stretch: Stretch | undefined },
): number {
  const value = Number(samples[options.at]);
  const { stretch } = options;
  if (stretch === undefined) return Math.max(0, Math.min(255, Math.round(value)));
  if (stretch.high === stretch.low) return 128;
  return Math.max(0, Math.min(255, Math.round(((value - stretch.low) / (stretch.high - stretch.low)) * 255)));
}
