import { RiffleError } from "../../errors.ts";
import type { RasterQuery } from "../../formats/raster.ts";
import type { Flags, Run } from "../command.ts";
import { ask } from "../query/ask.ts";
import { checkStdout, chooseFormat } from "../query/destination.ts";
import { parseBands, parseBox, parsePixelSize, parseTile, parseWindow } from "../query/words.ts";

const FORMATS = ["tiff", "png", "npy"] as const;
const ENDINGS = { ".tif": "tiff", ".tiff": "tiff", ".gtiff": "tiff", ".png": "png", ".npy": "npy" } as const;

function queryOf(flags: Flags): RasterQuery {
  const [window, bbox, bboxCrs, tile, size, bands] = ["window", "bbox", "bbox-crs", "tile", "size", "bands"].map(
    (name) => flags.text(name),
  );
  const areas = Object.entries({ window, bbox, tile }).filter(([, text]) => text !== undefined);
  if (areas.length > 1) {
    throw new RiffleError("usage", `${areas.map(([name]) => `--${name}`).join(" and ")} are given together`, {
      hint: "each names an area: give one of them",
    });
  }
  if (bboxCrs !== undefined && bbox === undefined) {
    throw new RiffleError("usage", "--bbox-crs is given without --bbox", { hint: "add --bbox W,S,E,N" });
  }
  return {
    ...(window !== undefined && { window: parseWindow(window) }),
    ...(bbox !== undefined && { bbox: parseBox(bbox) }),
    ...(bboxCrs !== undefined && { bboxCrs }),
    ...(tile !== undefined && { tile: parseTile(tile) }),
    ...(size !== undefined && { size: parsePixelSize(size) }),
    ...(bands !== undefined && { bands: parseBands(bands) }),
  };
}

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  const query = queryOf(flags);
  const output = flags.text("output");
  const format = chooseFormat({
    flag: flags.text("format"),
    output,
    endings: ENDINGS,
    names: FORMATS,
    fallback: "tiff",
  });
  if (!flags.on("explain")) checkStdout(context, { output, format, kind: "binary" });
  return ask(
    {
      reference,
      path,
      query,
      words: { ...query },
      format,
      open: (artifact, file, options) => artifact.raster(file, options),
      answer: async () => {
        throw new RiffleError("not-yet", "rasters");
      },
    },
    { flags, context },
  );
};
