import type { ArrayQuery, ArrayReader } from "../../src/formats/array.ts";

export interface WholeArray {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: Uint8Array;
  readonly strings: readonly (string | null)[];
  readonly blocks: number;
}

/** All blocks of a scan put together, each checked to begin where the one before it ended. */
export async function readAll(reader: ArrayReader, query: ArrayQuery): Promise<WholeArray> {
  const data: Uint8Array[] = [];
  const strings: (string | null)[] = [];
  let shape: readonly number[] = [];
  let dtype = "";
  let elements = 0;
  for await (const block of reader.scan(query)) {
    if (block.offset !== elements) throw new Error(`a block begins at ${block.offset}, not at ${elements}`);
    ({ shape, dtype } = block);
    data.push(block.data);
    strings.push(...(block.strings ?? []));
    const all = shape.reduce((product, length) => product * length, 1);
    const bytes = block.dtype === "|O" ? 0 : itemBytes(dtype);
    elements += block.strings?.length ?? (bytes === 0 ? all : block.data.length / bytes);
  }
  return { shape, dtype, data: Buffer.concat(data), strings, blocks: data.length };
}

function itemBytes(dtype: string): number {
  const named = /^(bfloat|float)(\d+)/.exec(dtype);
  if (named !== null) return Number(named[2]) / 8;
  const [, kind = "", size = "0"] = /^[<|](\w)(\d+)/.exec(dtype) ?? [];
  return kind === "U" ? Number(size) * 4 : Number(size);
}
