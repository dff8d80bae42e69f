import type { Artifact } from "../../artifact/artifact.ts";
import { isRiffleError, RiffleError } from "../../errors.ts";
import type { FormatOptions, FormatReader } from "../../formats/format.ts";
import type { RasterMetadata, RasterQuery, RasterWindow } from "../../formats/raster.ts";
import type { StoredTile, TileMetadata } from "../../formats/tiles.ts";
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

type Reader = FormatReader<RasterMetadata | TileMetadata, RasterQuery, RasterWindow | StoredTile>;

/** Of an archive of tiles the one as it is stored; of a raster the tile's area. */
async function open(
  artifact: Artifact,
  path: string,
  { query, ...options }: FormatOptions & { readonly query: RasterQuery },
): Promise<Reader> {
  if (query.tile === undefined) return artifact.raster(path, options);
  try {
    const { tile } = query;
    const tiles = await artifact.tiles(path, options);
    return {
      ...tiles,
      plan: (_, how) => tiles.plan({ tile }, how),
      scan: (_, how) => tiles.scan({ tile }, how),
    };
  } catch (error) {
    if (isRiffleError(error) && error.facts["wanted"] === "tiles") return artifact.raster(path, options);
    throw error;
  }
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
      open: (artifact, file, options) => open(artifact, file, { ...options, query }),
      answer: async (parts, _, sink) => {
        for await (const part of parts) {
          if ("encoding" in part) await sink.bytes(part.bytes);
        }
        return {};
      },
    },
    { flags, context },
  );
};
