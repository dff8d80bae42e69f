import type { Artifact } from "../../artifact/artifact.ts";
import { isRiffleError, RiffleError } from "../../errors.ts";
import type { FormatOptions, FormatReader } from "../../formats/format.ts";
import type { RasterMetadata, RasterQuery, RasterReader, RasterWindow } from "../../formats/raster.ts";
import type { StoredTile, TileMetadata, TileReader } from "../../formats/tiles.ts";
import type { Flags, Run } from "../command.ts";
import { ask, type Output } from "../query/ask.ts";
import { checkStdout, chooseFormat } from "../query/destination.ts";
import { parseBands, parseBox, parsePixelSize, parseTile, parseWindow } from "../query/words.ts";
import { parseScale, writeRaster, type RasterFormat, type Scale } from "../raster/write-raster.ts";

const FORMATS: readonly RasterFormat[] = ["tiff", "png", "npy"];
const ENDINGS: Readonly<Record<string, RasterFormat>> = {
  ".tif": "tiff",
  ".tiff": "tiff",
  ".gtiff": "tiff",
  ".png": "png",
  ".npy": "npy",
};

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

/** A stored tile has a form of its own, which the output's name may tell or not. */
function formatOf(flags: Flags, query: RasterQuery): RasterFormat {
  const choice = { flag: flags.text("format"), endings: ENDINGS, names: FORMATS, fallback: "tiff" } as const;
  const output = flags.text("output");
  try {
    return chooseFormat({ ...choice, output });
  } catch (error) {
    if (query.tile === undefined) throw error;
    return chooseFormat({ ...choice, output: undefined });
  }
}

type Reader = FormatReader<RasterMetadata | TileMetadata, RasterQuery, RasterWindow | StoredTile>;

interface Opening extends FormatOptions {
  readonly query: RasterQuery;
  readonly flags: Flags;
}

function isStored(metadata: RasterMetadata | TileMetadata): metadata is TileMetadata {
  return !("bands" in metadata);
}

/** Of an archive of tiles the one as it is stored; of a raster the tile's area. */
async function open(artifact: Artifact, path: string, { query, flags, ...options }: Opening): Promise<Reader> {
  const { tile } = query;
  if (tile === undefined) return artifact.raster(path, options);
  let tiles: TileReader;
  try {
    tiles = await artifact.tiles(path, options);
  } catch (error) {
    if (isRiffleError(error) && error.facts["wanted"] === "tiles") return artifact.raster(path, options);
    throw error;
  }
  const other = ["size", "bands", "format", "scale"].find((name) => flags.text(name) !== undefined);
  if (other === undefined) {
    return { ...tiles, plan: (_, how) => tiles.plan({ tile }, how), scan: (_, how) => tiles.scan({ tile }, how) };
  }
  await tiles.close();
  throw new RiffleError("usage", `--${other} is given for a tile that is given as it is stored`, {
    hint: "riffle info tells which form the tiles have",
  });
}

interface Written {
  readonly query: RasterQuery;
  readonly format: RasterFormat;
  readonly scale: Scale;
}

async function write(reader: Reader, output: Output, { query, format, scale }: Written): Promise<void> {
  if (isStored(reader.metadata)) {
    for await (const part of reader.scan(query)) if ("encoding" in part) await output.bytes(part.bytes);
    return;
  }
  // What has bands is read as windows.
  const pieces = writeRaster(reader as RasterReader, { query, format, scale });
  for await (const piece of pieces) await output.bytes(piece);
}

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  const query = queryOf(flags);
  const scale = parseScale(flags.text("scale"));
  const output = flags.text("output");
  const format = formatOf(flags, query);
  if (scale !== undefined && format !== "png") {
    throw new RiffleError("usage", `--scale is given for ${format}, which keeps the values`, { hint: "--format png" });
  }
  if (!flags.on("explain")) checkStdout(context, { output, format, kind: "binary" });
  return ask(
    {
      reference,
      path,
      query,
      words: { ...query },
      format,
      open: (artifact, file, options) => open(artifact, file, { ...options, query, flags }),
      answer: async (reader, sink) => {
        await write(reader, sink, { query, format, scale });
        return {};
      },
    },
    { flags, context },
  );
};
