import type { ByteRange } from "../../bytes/range.ts";
import type { ColumnChunk } from "./metadata.ts";
import { THRIFT, ThriftReader } from "./thrift.ts";

/** A data page as the offset index places it: its header and its data. */
export interface PageLocation extends ByteRange {
  readonly firstRow: number;
}

/**
 * The data pages of a chunk in order, inside of it and disjoint, the first beginning with row 0; undefined where the offset
 * index says anything else (it is a hint, and the chunk can be read without it).
 */
export function parseOffsetIndex(bytes: Uint8Array, chunk: ColumnChunk): readonly PageLocation[] | undefined {
  try {
    const reader = new ThriftReader(bytes);
    let pages: readonly PageLocation[] = [];
    reader.struct((id, type) => {
      if (id !== 1 || type !== THRIFT.list) return false;
      pages = reader.list(() => readLocation(reader));
      return true;
    });
    return areSound(pages, chunk.range) ? pages : undefined;
  } catch {
    return undefined;
  }
}

function readLocation(reader: ThriftReader): PageLocation {
  const numbers = [0, 0, 0, 0];
  reader.struct((id, type) => {
    if (id < 1 || id > 3 || (type !== THRIFT.i64 && type !== THRIFT.i32)) return false;
    numbers[id] = reader.zigzag();
    return true;
  });
  const [, start = 0, length = 0, firstRow = 0] = numbers;
  return { start, end: start + length, firstRow };
}

function areSound(pages: readonly PageLocation[], chunk: ByteRange): boolean {
  let end = chunk.start;
  let row = -1;
  for (const page of pages) {
    if (!(page.start >= end && page.end > page.start && page.end <= chunk.end && page.firstRow > row)) return false;
    end = page.end;
    row = page.firstRow;
  }
  return pages.length > 0 && pages[0]?.firstRow === 0;
}

/** What comes before the first data page: the dictionary page, where there is one. */
export function dictionaryRange(chunk: ColumnChunk, pages: readonly PageLocation[]): ByteRange | undefined {
  const first = pages[0]?.start ?? chunk.range.start;
  return first > chunk.range.start ? { start: chunk.range.start, end: first } : undefined;
}
