import { RiffleError } from "../../errors.ts";
import type { RasterQuery, RasterReader } from "../../formats/raster.ts";

export type RasterFormat = "tiff" | "png" | "npy";

/** How samples become the 8 bits of a picture; undefined leaves it to what the bands mean. */
export type Scale = "percentiles" | "none" | { readonly low: number; readonly high: number } | undefined;

/** `percentiles`, `none` or `MIN,MAX`. Throws `usage`. */
export function parseScale(text: string | undefined): Scale {
  if (text === undefined || text === "percentiles" || text === "none") return text;
  const [low = Number.NaN, high = Number.NaN, ...rest] = text
    .split(",")
    .map((word) => (word.trim() === "" ? Number.NaN : Number(word)));
  if (Number.isFinite(low) && Number.isFinite(high) && low < high && rest.length === 0) return { low, high };
  throw new RiffleError("usage", `not a scale: "${text.slice(0, 80)}"`, {
    hint: "percentiles, none, or MIN,MAX: the values that become black and white",
  });
}

/** The result of a query as a file. The encoder of its format is loaded here. */
export async function* writeRaster(
  reader: RasterReader,
  options: { readonly query: RasterQuery; readonly format: RasterFormat; readonly scale: Scale },
): AsyncGenerator<Uint8Array> {
  const { query, format, scale } = options;
  if (format === "npy") {
    const { encodeNpy } = await import("../../formats/encode/npy.ts");
    yield* encodeNpy(reader, { query });
  } else if (format === "png") {
    const { encodePng } = await import("../../formats/encode/png.ts");
    yield* encodePng(reader, { query, ...(scale !== undefined && { scale }) });
  } else {
    const { encodeTiff } = await import("../../formats/encode/tiff.ts");
    yield* encodeTiff(reader, { query });
  }
}
