import { closeSync, openSync, readSync } from "node:fs";

/** What the first directory of a classic or BigTIFF says of its tiles. */
interface TiledImage {
  readonly tile: number;
  readonly across: number;
  readonly counts: readonly number[];
  /** From the start of the file to the first byte of any tile. */
  readonly headerBytes: number;
}

const HEAD_BYTES = 1 << 20;
const SIZES: Readonly<Record<number, number>> = { 3: 2, 4: 4, 16: 8 };

/** TIFF 6.0 section 2, and the BigTIFF widths; little endian only, as GDAL writes on the machines we run on. */
function readTiledImage(path: string): TiledImage {
  const head = Buffer.alloc(HEAD_BYTES);
  const file = openSync(path, "r");
  const length = readSync(file, head, 0, HEAD_BYTES, 0);
  closeSync(file);
  const big = head.readUInt16LE(2) === 43;
  const word = (at: number): number => (big ? Number(head.readBigUInt64LE(at)) : head.readUInt32LE(at));
  const start = word(big ? 8 : 4);
  const entries = big ? Number(head.readBigUInt64LE(start)) : head.readUInt16LE(start);
  const first = start + (big ? 8 : 2);
  const values = (tag: number): readonly number[] => {
    for (let i = 0; i < entries; i += 1) {
      const entry = first + i * (big ? 20 : 12);
      if (head.readUInt16LE(entry) !== tag) continue;
      const size = SIZES[head.readUInt16LE(entry + 2)] ?? 0;
      const count = word(entry + 4);
      const inline = entry + (big ? 12 : 8);
      const at = size * count <= (big ? 8 : 4) ? inline : word(inline);
      if (at + size * count > length) throw new Error(`${path}: tag ${tag} lies behind the first MiB`);
      return Array.from({ length: count }, (_, k) =>
        size === 8 ? Number(head.readBigUInt64LE(at + k * 8)) : head.readUIntLE(at + k * size, size),
      );
    }
    throw new Error(`${path}: no tag ${tag}`);
  };
  const [width = 0] = values(256);
  const [tile = 1] = values(322);
  const offsets = values(324);
  // the smallest overview's tiles come first; no directory lies behind a tile in a COG
  return {
    tile,
    across: Math.ceil(width / tile),
    counts: values(325),
    headerBytes: headerEnd(head, { big, start, first, entries, lowest: Math.min(...offsets) }),
  };
}

/** The end of the last directory with its values: what a reader must have before any tile. */
function headerEnd(
  head: Buffer,
  image: {
    readonly big: boolean;
    readonly start: number;
    readonly first: number;
    readonly entries: number;
    readonly lowest: number;
  },
): number {
  const word = (at: number): number => (image.big ? Number(head.readBigUInt64LE(at)) : head.readUInt32LE(at));
  let lowest = image.lowest;
  let { start, first, entries } = image;
  while (start !== 0) {
    entries = image.big ? Number(head.readBigUInt64LE(start)) : head.readUInt16LE(start);
    first = start + (image.big ? 8 : 2);
    for (let i = 0; i < entries; i += 1) {
      const entry = first + i * (image.big ? 20 : 12);
      if (head.readUInt16LE(entry) !== 324) continue;
      const count = word(entry + 4);
      const inline = entry + (image.big ? 12 : 8);
      const offsets = count === 1 ? inline : word(inline);
      const size = SIZES[head.readUInt16LE(entry + 2)] ?? 4;
      for (let k = 0; k < count; k += 1) {
        const offset = size === 8 ? Number(head.readBigUInt64LE(offsets + k * 8)) : head.readUInt32LE(offsets + k * 4);
        if (offset > 0) lowest = Math.min(lowest, offset);
      }
    }
    start = word(first + entries * (image.big ? 20 : 12));
  }
  return lowest;
}

export interface PixelWindow {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Bytes that a reader of a window at full resolution cannot do without: the header, and the tiles that it touches. */
export function tiffWindowBytes(path: string, window: PixelWindow): number {
  const { tile, across, counts, headerBytes } = readTiledImage(path);
  let bytes = headerBytes;
  for (let row = Math.floor(window.y / tile); row * tile < window.y + window.height; row += 1) {
    for (let column = Math.floor(window.x / tile); column * tile < window.x + window.width; column += 1)
      bytes += counts[row * across + column] ?? 0;
  }
  return bytes;
}
