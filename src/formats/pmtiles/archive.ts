import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import { bytesToHeader, readVarint, type Entry, type Header } from "pmtiles";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { FormatOptions } from "../format.ts";
import { startsWith } from "../magic.ts";
import { piecesOf, type Pieces } from "../pieces.ts";

/** PMTiles specification 3, section 3: header and root directory lie in the first 16 KiB. */
const HEADER_BYTES = 127;
const FIRST_READ_BYTES = 16 * 1024;
/** Two million entries; the specification wants a root of 16 KiB and leaves not much larger. */
const MAX_DIRECTORY_BYTES = 8 * 1024 * 1024;
/** Four varints: no entry is shorter. */
const MIN_ENTRY_BYTES = 4;

const gunzipped = promisify(gunzip);
const unbrotlied = promisify(brotliDecompress);

/** By number in the header. */
export const COMPRESSIONS: readonly string[] = ["unknown", "none", "gzip", "brotli", "zstd"];
export const TILE_TYPES: readonly string[] = ["unknown", "mvt", "png", "jpeg", "webp", "avif", "mlt"];

export interface Archive {
  readonly header: Header;
  readonly root: readonly Entry[];
  readonly pieces: Pieces;
}

function malformed(what: string, cause?: unknown): RiffleError {
  return new RiffleError("malformed", `the PMTiles archive is broken: ${what}`, cause === undefined ? {} : { cause });
}

/** Bytes of a directory or of the metadata as they are meant; what would inflate past `limit` is refused. */
export async function decompressed(
  bytes: Uint8Array,
  { compression, limit }: { compression: number; limit: number },
): Promise<Uint8Array> {
  const name = COMPRESSIONS[compression] ?? `number ${compression}`;
  try {
    if (name === "none" || name === "unknown") return bytes;
    if (name === "gzip") return await gunzipped(bytes, { maxOutputLength: limit });
    if (name === "brotli") return await unbrotlied(bytes, { maxOutputLength: limit });
  } catch (cause) {
    throw malformed(`its ${name} data do not decompress, or to more than ${limit} bytes`, cause);
  }
  throw new RiffleError("unsupported", `the directories of the PMTiles archive are compressed with ${name}`);
}

/**
 * The entries of a directory (specification, section 4.2). Decoded here and not by the package, which trusts the count and
 * reads on past the end of the bytes.
 */
function decodeDirectory(bytes: Uint8Array): readonly Entry[] {
  const from = { buf: bytes, pos: 0 };
  const next = (): number => {
    if (from.pos >= bytes.length) throw malformed("a directory is cut short");
    let value: number;
    try {
      value = readVarint(from);
    } catch (cause) {
      throw malformed("a number in a directory is too long", cause);
    }
    if (!Number.isSafeInteger(value) || value < 0) throw malformed(`a number in a directory is ${value}`);
    return value;
  };
  const count = next();
  if (count * MIN_ENTRY_BYTES > bytes.length)
    throw malformed(`a directory of ${bytes.length} bytes counts ${count} entries`);
  const column = (): readonly number[] => Array.from({ length: count }, next);
  const [deltas, runLengths, lengths, offsets] = [column(), column(), column(), column()];
  let tileId = 0;
  let end = 0;
  return deltas.map((delta, at) => {
    tileId += delta;
    const length = lengths[at] ?? 0;
    const place = offsets[at] ?? 0;
    // Zero stands for "right behind the one before".
    if (place === 0 && at === 0) throw malformed("the first entry of a directory follows nothing");
    const offset = place === 0 ? end : place - 1;
    end = offset + length;
    if (!Number.isSafeInteger(tileId) || !Number.isSafeInteger(end)) throw malformed("a directory counts too far");
    return { tileId, offset, length, runLength: runLengths[at] ?? 0 };
  });
}

/** Reads and decodes one directory. Rejects with `malformed`, or `unsupported` for a compression. */
export async function readDirectory(
  range: ByteRange,
  { header, pieces }: Pick<Archive, "header" | "pieces">,
): Promise<readonly Entry[]> {
  const compression: number = header.internalCompression;
  return decodeDirectory(await decompressed(await pieces.read(range), { compression, limit: MAX_DIRECTORY_BYTES }));
}

const SECTIONS = [
  ["rootDirectoryOffset", "rootDirectoryLength"],
  ["jsonMetadataOffset", "jsonMetadataLength"],
  ["leafDirectoryOffset", "leafDirectoryLength"],
  ["tileDataOffset", "tileDataLength"],
] as const;

function checkHeader(header: Header, size: number): void {
  for (const [offset, length] of SECTIONS) {
    const end = header[offset] + (header[length] ?? 0);
    if (!(end <= size)) throw malformed(`its header puts ${offset.replace("Offset", "")} behind the end of the file`);
  }
}

/** Header and root directory, in one request of 16 KiB (two where the root does not follow the header). */
export async function openArchive(source: RangeSource, options: FormatOptions = {}): Promise<Archive> {
  const pieces = piecesOf(source, {
    ...options,
    what: "PMTiles archive",
    firstBytes: FIRST_READ_BYTES,
    laterBytes: 0,
    maxBytes: Math.min(options.maxBytes ?? MAX_DIRECTORY_BYTES, MAX_DIRECTORY_BYTES),
  });
  const bytes = await pieces.read({ start: 0, end: Math.min(HEADER_BYTES, source.size) });
  const version = startsWith(bytes, "PMTiles")
    ? bytes[7]
    : startsWith(bytes, "PM") && bytes[3] === 0
      ? bytes[2]
      : undefined;
  if (version === undefined)
    throw new RiffleError("malformed", "not a PMTiles archive: it does not begin with its magic");
  if (version !== 3)
    throw new RiffleError("unsupported", `the PMTiles archive is of version ${version}; riffle reads version 3`);
  if (bytes.length < HEADER_BYTES) throw malformed("its header is cut short");
  const header = bytesToHeader(bytes.slice().buffer);
  checkHeader(header, source.size);
  const start = header.rootDirectoryOffset;
  return {
    header,
    pieces,
    root: await readDirectory({ start, end: start + header.rootDirectoryLength }, { header, pieces }),
  };
}
