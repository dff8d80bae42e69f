import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { piecesOf, type Pieces } from "../pieces.ts";
import { findCodestream } from "./boxes.ts";
import { partsByTable, readCodestream, walkParts, type Codestream } from "./codestream.ts";

const FIRST_READ_BYTES = 64 * 1024;
/** The header of a tile part has 12 bytes: more would rarely hold the next one. */
const LATER_READ_BYTES = 4 * 1024;
const MAX_PIECE_BYTES = 128 * 1024;
/** Each waits for the one before. */
const INFO_REQUESTS = 8;
const EXTENT_REQUESTS = 2;

function piecesIn(source: RangeSource, options: FormatOptions): Pieces {
  return piecesOf(source, {
    ...options,
    what: "JPEG 2000 file",
    firstBytes: FIRST_READ_BYTES,
    laterBytes: LATER_READ_BYTES,
    maxBytes: MAX_PIECE_BYTES,
  });
}

function typeOf({ components }: Codestream): string {
  const types = components.map(({ bits, isSigned }) => `${isSigned ? "int" : "uint"}${bits}`);
  return [...new Set(types)].join(", ");
}

function headerFacts(header: Codestream): Record<string, Fact> {
  return {
    width: header.width,
    height: header.height,
    components: header.components.length,
    type: typeOf(header),
    tileWidth: header.tileWidth,
    tileHeight: header.tileHeight,
    tiles: header.tiles,
    tileLengths: header.lengths !== undefined,
    ...(header.coding !== undefined && {
      resolutions: header.coding.levels + 1,
      qualityLayers: header.coding.layers,
      progression: header.coding.progression,
      lossless: header.coding.isLossless,
    }),
  };
}

/** One request for most files; up to eight where tile parts have to be counted one by one. */
async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const pieces = piecesIn(source, options);
  const { codestream, brand, colour, georeference } = await findCodestream(pieces, source.size);
  if (codestream === undefined) {
    throw new RiffleError("unsupported", "the codestream of the JPEG 2000 file lies behind too many other boxes");
  }
  const header = await readCodestream(pieces, codestream);
  const table = partsByTable(header, codestream.end);
  const found = table ?? (await walkParts(pieces, header, { end: codestream.end, maxRequests: INFO_REQUESTS }));
  return {
    format: "jpeg2000",
    title: brand === undefined ? "JPEG 2000 codestream" : "JPEG 2000",
    facts: {
      ...headerFacts(header),
      [found.isComplete ? "tileParts" : "tilePartsSeen"]: found.parts.length,
      ...(brand !== undefined && { brand }),
      ...(colour !== undefined && { colour }),
      ...(georeference !== undefined && { georeference }),
    },
    notes: [
      ...(header.tiles === 1 ? ["one tile: a window of it is not read by ranges"] : []),
      ...(table === undefined && header.tiles > 1
        ? ["no table of tile lengths (TLM): tiles are found one after the other"]
        : []),
      ...(table !== undefined && !table.isComplete ? ["cut short: tiles would end behind the end of the file"] : []),
    ],
  };
}

/** Tile parts: all of them where a table has their lengths, else those that two requests show. */
async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  const pieces = piecesIn(source, options);
  const { codestream } = await findCodestream(pieces, source.size);
  if (codestream === undefined) return NO_EXTENTS;
  const header = await readCodestream(pieces, codestream);
  const { parts } =
    partsByTable(header, codestream.end) ??
    (await walkParts(pieces, header, { end: codestream.end, maxRequests: EXTENT_REQUESTS }));
  return extentTable(
    parts.map(({ start, end }): Extent => ({ start, end, series: 0 })),
    source.size,
  );
}

export const jpeg2000: FormatModule = { info, extents };
