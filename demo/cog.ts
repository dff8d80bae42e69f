import { closeSync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { deflate } from "node:zlib";

const compress = promisify(deflate);

/** One band of 32-bit floats, rows from north to south. */
export interface Grid {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/** WGS 84 degrees: the north-west corner, and the size of a pixel. */
export interface Georeference {
  readonly west: number;
  readonly north: number;
  readonly pixel: number;
}

interface Level {
  readonly width: number;
  readonly height: number;
  readonly across: number;
  /** Where each tile lies in the file, row by row. */
  readonly tiles: readonly { readonly offset: number; readonly bytes: number }[];
}

/** What a reader must fetch before it knows where the tiles are, and the tiles: full resolution first. */
export interface CogLayout {
  readonly headerBytes: number;
  readonly levels: readonly Level[];
}

export const TILE_PIXELS = 512;
const ZLIB_LEVEL = 4;

// TIFF 6.0 section 2, field types
const SHORT = { code: 3, bytes: 2 } as const;
const LONG = { code: 4, bytes: 4 } as const;
const DOUBLE = { code: 12, bytes: 8 } as const;

interface Field {
  readonly tag: number;
  readonly type: typeof SHORT | typeof LONG | typeof DOUBLE;
  readonly values: readonly number[];
}

/** The grid at half the size, each pixel the mean of four (or of those that exist). */
function halve({ width, height, values }: Grid): Grid {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const out = new Float32Array(half.width * half.height);
  for (let y = 0; y < half.height; y += 1) {
    const top = 2 * y * width;
    const bottom = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < half.width; x += 1) {
      const left = 2 * x;
      const right = Math.min(left + 1, width - 1);
      const sum =
        (values[top + left] ?? 0) +
        (values[top + right] ?? 0) +
        (values[bottom + left] ?? 0) +
        (values[bottom + right] ?? 0);
      out[y * half.width + x] = sum / 4;
    }
  }
  return { ...half, values: out };
}

function pyramid(full: Grid): readonly Grid[] {
  const levels = [full];
  for (let last = full; Math.max(last.width, last.height) > TILE_PIXELS; last = levels.at(-1) ?? full)
    levels.push(halve(last));
  return levels;
}

/** All tiles of one level, compressed; those at the right and lower edge are padded with zeros. */
function tilesOf({ width, height, values }: Grid): Promise<readonly Uint8Array[]> {
  const across = Math.ceil(width / TILE_PIXELS);
  const down = Math.ceil(height / TILE_PIXELS);
  return Promise.all(
    Array.from({ length: across * down }, async (_, index) => {
      const x = (index % across) * TILE_PIXELS;
      const y = Math.floor(index / across) * TILE_PIXELS;
      const tile = new Float32Array(TILE_PIXELS * TILE_PIXELS);
      for (let row = y; row < Math.min(y + TILE_PIXELS, height); row += 1) {
        const end = Math.min(x + TILE_PIXELS, width);
        tile.set(values.subarray(row * width + x, row * width + end), (row - y) * TILE_PIXELS);
      }
      return compress(new Uint8Array(tile.buffer), { level: ZLIB_LEVEL });
    }),
  );
}

function fieldsOf(
  level: Level,
  options: { readonly overview: boolean; readonly place: Georeference },
): readonly Field[] {
  const { west, north, pixel } = options.place;
  const geo: readonly Field[] = [
    { tag: 33550, type: DOUBLE, values: [pixel, pixel, 0] },
    { tag: 33922, type: DOUBLE, values: [0, 0, 0, west, north, 0] },
    // GeoTIFF 1.1 section 7: geographic model, pixel is area, EPSG:4326
    { tag: 34735, type: SHORT, values: [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326] },
  ];
  return [
    { tag: 254, type: LONG, values: [options.overview ? 1 : 0] },
    { tag: 256, type: LONG, values: [level.width] },
    { tag: 257, type: LONG, values: [level.height] },
    { tag: 258, type: SHORT, values: [32] },
    { tag: 259, type: SHORT, values: [8] }, // Adobe deflate
    { tag: 262, type: SHORT, values: [1] },
    { tag: 277, type: SHORT, values: [1] },
    { tag: 284, type: SHORT, values: [1] },
    { tag: 322, type: SHORT, values: [TILE_PIXELS] },
    { tag: 323, type: SHORT, values: [TILE_PIXELS] },
    { tag: 324, type: LONG, values: level.tiles.map(({ offset }) => offset) },
    { tag: 325, type: LONG, values: level.tiles.map(({ bytes }) => bytes) },
    { tag: 339, type: SHORT, values: [3] }, // IEEE floating point
    ...(options.overview ? [] : geo),
  ];
}

const even = (bytes: number): number => bytes + (bytes % 2);
const outside = ({ type, values }: Field): number =>
  type.bytes * values.length > 4 ? even(type.bytes * values.length) : 0;
const directoryBytes = (fields: readonly Field[]): number =>
  2 + 12 * fields.length + 4 + fields.reduce((sum, field) => sum + outside(field), 0);

function put(view: DataView, at: number, { type, values }: Field): void {
  values.forEach((value, i) => {
    const place = at + i * type.bytes;
    if (type === SHORT) view.setUint16(place, value, true);
    else if (type === LONG) view.setUint32(place, value, true);
    else view.setFloat64(place, value, true);
  });
}

/** One image file directory at `at`, its long values behind it, and the address of the next one (0: none). */
function directory(fields: readonly Field[], options: { readonly at: number; readonly last: boolean }): Uint8Array {
  const bytes = new Uint8Array(directoryBytes(fields));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, fields.length, true);
  let free = 2 + 12 * fields.length + 4;
  fields.forEach((field, i) => {
    const entry = 2 + 12 * i;
    view.setUint16(entry, field.tag, true);
    view.setUint16(entry + 2, field.type.code, true);
    view.setUint32(entry + 4, field.values.length, true);
    if (outside(field) === 0) return put(view, entry + 8, field);
    view.setUint32(entry + 8, options.at + free, true);
    put(view, free, field);
    free += outside(field);
  });
  view.setUint32(2 + 12 * fields.length, options.last ? 0 : options.at + bytes.length, true);
  return bytes;
}

/**
 * Writes a cloud-optimized GeoTIFF: header, then the directories from full resolution down, then the tiles from the
 * smallest overview up (the order that GDAL's validator asks for).
 */
export async function writeCog(path: string, full: Grid, place: Georeference): Promise<CogLayout> {
  const grids = pyramid(full);
  const data: (readonly Uint8Array[])[] = [];
  for (const grid of grids) data.push(await tilesOf(grid));
  const empty = grids.map(({ width, height }, i) => ({
    width,
    height,
    across: Math.ceil(width / TILE_PIXELS),
    tiles: (data[i] ?? []).map(({ length }) => ({ offset: 0, bytes: length })),
  }));
  const fields = (level: Level, i: number): readonly Field[] => fieldsOf(level, { overview: i > 0, place });
  const headerBytes = 8 + empty.reduce((sum, level, i) => sum + directoryBytes(fields(level, i)), 0);

  let offset = headerBytes;
  const levels = empty
    .toReversed()
    .map((level) => ({
      ...level,
      tiles: level.tiles.map(({ bytes }) => {
        offset += bytes;
        return { offset: offset - bytes, bytes };
      }),
    }))
    .toReversed();

  const file = openSync(path, "w");
  try {
    // little endian, version 42, the first directory at 8
    writeSync(file, Uint8Array.of(0x49, 0x49, 42, 0, 8, 0, 0, 0));
    let at = 8;
    levels.forEach((level, i) => {
      const bytes = directory(fields(level, i), { at, last: i === levels.length - 1 });
      writeSync(file, bytes);
      at += bytes.length;
    });
    for (const tiles of data.toReversed()) for (const tile of tiles) writeSync(file, tile);
  } finally {
    closeSync(file);
  }
  return { headerBytes, levels };
}

/** The bytes that a window needs: the header and every tile that it touches. */
export function windowBytes(
  layout: CogLayout,
  window: {
    readonly level: number;
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  },
): number {
  const level = layout.levels[window.level];
  if (level === undefined) throw new Error(`no level ${window.level}`);
  const step = (pixels: number): number => Math.floor(pixels / TILE_PIXELS);
  let bytes = layout.headerBytes;
  for (let row = step(window.y); row <= step(window.y + window.height - 1); row += 1) {
    for (let column = step(window.x); column <= step(window.x + window.width - 1); column += 1)
      bytes += level.tiles[row * level.across + column]?.bytes ?? 0;
  }
  return bytes;
}
