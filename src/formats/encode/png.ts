import { PassThrough } from "node:stream";
import { RiffleError } from "../../errors.ts";
import type { RasterBand, RasterReader, RasterWindow } from "../raster.ts";
import { inColours } from "./palette.ts";
import { openResult, type EncodeOptions, type RasterResult } from "./raster-result.ts";
import { isData, percentileStretch, stretched, type Stretch } from "./stretch.ts";

export interface PngOptions extends EncodeOptions {
  /**
   * How samples become 8 bits: each band between its 2nd and 98th percentile, or as they are (clamped to 0..255), or between two
   * values. Default: as they are for 8-bit RGB, the colours of a palette, percentiles for everything else.
   */
  readonly scale?: "percentiles" | "none" | Stretch;
}

/** Held at once: samples, and the picture made of them. */
const MAX_BYTES = 512 * 1024 * 1024;

interface Channels {
  /** Bands that are colours: one or three. */
  readonly colours: number;
  /** Number of the band that is alpha, from 0. */
  readonly alpha: number | undefined;
}

/**
 * The result of a query as a picture of 8 bits: one band is gray, three are RGB, two and four have alpha last. Nodata, NaN and
 * what is masked are transparent. Throws `usage` for other numbers of bands, and for results of more than 512 MiB.
 */
export async function* encodePng(reader: RasterReader, options: PngOptions = {}): AsyncGenerator<Uint8Array> {
  const opened = await openResult(reader, options);
  const { palette } = reader.metadata;
  const isIndexed = opened.bands.length === 1 && opened.bands[0]?.meaning === "palette";
  const result =
    isIndexed && palette !== undefined && options.scale === undefined ? inColours(opened, palette) : opened;
  const channels = channelsOf(result.bands);
  const { width, height, bands } = result;
  const bytes = width * height * (bands.length * result.sampleBytes + 4);
  if (bytes > MAX_BYTES) {
    throw new RiffleError("usage", `a picture of ${width} x ${height} pixels is too large to be made in memory`, {
      hint: "ask for a smaller size",
    });
  }
  const windows: RasterWindow[] = [];
  for await (const window of result.windows()) windows.push(window);
  const { PNG } = await import("pngjs");
  const picture = paintPicture(result, { channels, windows, scale: options.scale ?? defaultScale(result) });
  const hasAlpha = picture.length / (width * height) > channels.colours;
  const colorType = channels.colours === 1 ? (hasAlpha ? 4 : 0) : hasAlpha ? 6 : 2;
  const png = new PNG({ width, height, colorType, inputColorType: colorType, inputHasAlpha: hasAlpha });
  png.data = Buffer.from(picture.buffer);
  // the package's own stream is of the old kind, which cannot be iterated
  const packed = png.pack().pipe(new PassThrough());
  // a stream's chunks are of no type; the package writes buffers
  for await (const chunk of packed) yield chunk as Uint8Array;
}

function channelsOf(bands: readonly RasterBand[]): Channels {
  const last = bands.at(-1);
  const hasAlpha = last?.meaning === "alpha" || last?.type === "uint8";
  if (bands.some(({ type }) => type.startsWith("complex"))) {
    throw new RiffleError("unsupported", "complex samples have no picture");
  }
  if (bands.length === 1 || bands.length === 3) return { colours: bands.length, alpha: undefined };
  if ((bands.length === 2 || bands.length === 4) && hasAlpha) {
    return { colours: bands.length - 1, alpha: bands.length - 1 };
  }
  throw new RiffleError("usage", `a picture is made of one band or of three, and these are ${bands.length}`, {
    hint: "choose bands, as in 4,3,2",
    facts: { bands: bands.length },
  });
}

function defaultScale({ bands }: RasterResult): "percentiles" | "none" {
  const isRgb = bands[0]?.meaning === "red" && bands[1]?.meaning === "green" && bands[2]?.meaning === "blue";
  return isRgb && bands.every(({ type }) => type === "uint8") ? "none" : "percentiles";
}

interface Painting {
  readonly channels: Channels;
  readonly windows: readonly RasterWindow[];
  readonly scale: "percentiles" | "none" | Stretch;
}

/** Channels side by side; an alpha channel only where some pixel is transparent or the bands have one. */
function paintPicture(result: RasterResult, { channels, windows, scale }: Painting): Uint8Array {
  const { width, height, bands } = result;
  const { colours, alpha } = channels;
  const nodata = bands[0]?.nodata;
  const stretches = Array.from({ length: colours }, (_, band) => {
    if (scale === "none") return undefined;
    return scale === "percentiles" ? percentileStretch({ windows, band, nodata }) : scale;
  });
  const alphas = alpha === undefined ? undefined : alphaScale(bands[alpha]);
  const step = colours + 1;
  const picture = new Uint8Array(width * height * step);
  let isTransparent = alpha !== undefined;
  for (const window of windows) {
    const base = window.row * width;
    for (let i = 0; i < window.rows * width; i += 1) {
      let visible = window.mask === undefined || alpha !== undefined ? 255 : (window.mask[i] ?? 255);
      let empty = 0;
      for (let band = 0; band < colours; band += 1) {
        const samples = window.bands[band];
        if (samples === undefined) continue;
        if (!isData(Number(samples[i]), { nodata, mask: 255 })) empty += 1;
        else picture[(base + i) * step + band] = stretched(samples, { at: i, stretch: stretches[band] });
      }
      if (empty === colours) visible = 0;
      else if (alpha !== undefined)
        visible = Math.round((Number(window.bands[alpha]?.[i] ?? 0) * 255) / (alphas ?? 255));
      if (visible !== 255) isTransparent = true;
      picture[(base + i) * step + colours] = visible;
    }
  }
  return isTransparent ? picture : withoutAlpha(picture, colours);
}

/** The value of full opacity. */
function alphaScale(band: RasterBand | undefined): number {
  return band?.type === "uint16" ? 65_535 : band?.type === "uint8" ? 255 : 1;
}

function withoutAlpha(picture: Uint8Array, colours: number): Uint8Array {
  const pixels = picture.length / (colours + 1);
  const bare = new Uint8Array(pixels * colours);
  for (let i = 0; i < pixels; i += 1) {
    for (let band = 0; band < colours; band += 1) bare[i * colours + band] = picture[i * (colours + 1) + band] ?? 0;
  }
  return bare;
}
