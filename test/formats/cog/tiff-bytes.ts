/** A tag with its numbers; 64-bit ones are written as BigTIFF's type 16. */
export interface TestTag {
  readonly tag: number;
  readonly type: 2 | 3 | 4 | 12 | 16;
  readonly values: readonly number[];
}

const WIDTHS = { 2: 1, 3: 2, 4: 4, 12: 8, 16: 8 } as const;

export interface TestDirectory {
  readonly tags: readonly TestTag[];
  /** Where the next one is said to be: default the one that follows, or 0. */
  readonly next?: number;
  /** How many entries are claimed. */
  readonly count?: number;
}

/** A little-endian BigTIFF: its header, GDAL's ghost area where one is given, these directories, and `data` behind them. */
export function bigTiff(
  directories: readonly TestDirectory[],
  data: Uint8Array = new Uint8Array(),
  structure = "",
): Uint8Array {
  const blocks: Buffer[] = [];
  const size = String(structure.length).padStart(6, "0");
  const ghost = structure === "" ? "" : `GDAL_STRUCTURAL_METADATA_SIZE=${size} bytes\n${structure}`;
  let at = 16 + ghost.length;
  for (const [i, { tags, next, count }] of directories.entries()) {
    const outside = tags.map(({ type, values }) =>
      WIDTHS[type] * values.length > 8 ? WIDTHS[type] * values.length : 0,
    );
    const fixed = 8 + tags.length * 20 + 8;
    const block = Buffer.alloc(fixed + outside.reduce((sum, bytes) => sum + bytes, 0));
    block.writeBigUInt64LE(BigInt(count ?? tags.length), 0);
    let free = fixed;
    for (const [k, { tag, type, values }] of tags.entries()) {
      const entry = 8 + k * 20;
      block.writeUInt16LE(tag, entry);
      block.writeUInt16LE(type, entry + 2);
      block.writeBigUInt64LE(BigInt(values.length), entry + 4);
      const bytes = outside[k] ?? 0;
      if (bytes > 0) block.writeBigUInt64LE(BigInt(at + free), entry + 12);
      let to = bytes > 0 ? free : entry + 12;
      free += bytes;
      for (const value of values) {
        if (type === 2) block.writeUInt8(value, to);
        else if (type === 3) block.writeUInt16LE(value, to);
        else if (type === 4) block.writeUInt32LE(value, to);
        else if (type === 12) block.writeDoubleLE(value, to);
        else block.writeBigUInt64LE(BigInt(value), to);
        to += WIDTHS[type];
      }
    }
    const following = i + 1 < directories.length ? at + block.length : 0;
    block.writeBigUInt64LE(BigInt(next ?? following), 8 + tags.length * 20);
    blocks.push(block);
    at += block.length;
  }
  const header = Buffer.alloc(16);
  header.write("II");
  header.writeUInt16LE(43, 2);
  header.writeUInt16LE(8, 4);
  header.writeBigUInt64LE(BigInt(16 + ghost.length), 8);
  return new Uint8Array(Buffer.concat([header, Buffer.from(ghost), ...blocks, data]));
}

export interface TestImage {
  readonly width: number;
  readonly height: number;
  readonly offset?: number;
  readonly length?: number;
  readonly compression?: number;
  readonly bits?: number;
  readonly more?: readonly TestTag[];
}

/** One strip. */
export function stripTags(image: TestImage): readonly TestTag[] {
  const { width, height, offset = 8, length = 8, compression = 1, bits = 8, more = [] } = image;
  return [
    { tag: 256, type: 4, values: [width] },
    { tag: 257, type: 4, values: [height] },
    { tag: 258, type: 3, values: [bits] },
    { tag: 259, type: 3, values: [compression] },
    { tag: 262, type: 3, values: [1] },
    { tag: 273, type: 16, values: [offset] },
    { tag: 277, type: 3, values: [1] },
    { tag: 278, type: 4, values: [height] },
    { tag: 279, type: 16, values: [length] },
    ...more,
  ];
}
