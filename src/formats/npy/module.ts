import type { RangeSource } from "../../bytes/source.ts";
import type { ArrayReader } from "../array.ts";
import { extentTable, NO_EXTENTS, type ExtentTable } from "../extents.ts";
import { flatArrayReader, type FlatArray } from "../flat-array.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readHead } from "../head.ts";
import { npyHeaderBytes, parseNpyHeader, type NpyArray } from "./header.ts";

/** Smaller rows are read together anyway; larger ones by windows. */
const MIN_ROW_BYTES = 64 * 1024;
const MAX_ROWS = 100_000;

async function readHeader(source: RangeSource, options: FormatOptions): Promise<NpyArray> {
  const head = await readHead(source, options);
  const length = npyHeaderBytes(head.bytes, source.size);
  return parseNpyHeader((await head.extend(length)).bytes.subarray(0, length), source.size);
}

/** An array that begins at `offset` of the bytes that are read. */
export function npyFlatArray(header: NpyArray, at: { readonly name: string; readonly offset: number }): FlatArray {
  const { type, shape, order, dataOffset, descr } = header;
  const dtype = typeof type === "function" ? descr : type.dtype;
  const itemBytes = typeof type === "function" ? 1 : type.itemBytes;
  const attributes = { ...(descr !== dtype && { descr }), ...(order === "F" && { fortranOrder: true }) };
  return {
    info: { name: at.name, shape, dtype, ...(Object.keys(attributes).length > 0 && { attributes }) },
    type,
    layout: { offset: at.offset + dataOffset, shape, order, itemBytes },
  };
}

/** Rows along the slowest axis, as a program reads samples; none where rows are small. */
function rowExtents({ type, shape, order, dataOffset }: NpyArray, size: number): ExtentTable {
  const axes = order === "C" ? shape : shape.toReversed();
  const [rows = 0, ...rest] = axes;
  const itemBytes = typeof type === "function" ? 0 : type.itemBytes;
  const bytes = rest.reduce((product, length) => product * length, itemBytes);
  if (bytes < MIN_ROW_BYTES || rows > MAX_ROWS || shape.includes(0)) return NO_EXTENTS;
  const start = (row: number): number => dataOffset + row * bytes;
  return extentTable(
    Array.from({ length: rows }, (_, row) => ({ start: start(row), end: start(row + 1), series: 0 })),
    size,
  );
}

async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const { version, descr, shape, order, dataOffset, type } = await readHeader(source, options);
  return {
    format: "npy",
    title: "NumPy array",
    facts: { version, descr, shape, fortranOrder: order === "F", dataOffset, dataBytes: source.size - dataOffset },
    notes: [
      ...(typeof type === "function" ? [type().message] : []),
      ...(order === "F" && shape.length > 1
        ? ["in Fortran order: a row is read in as many pieces as it has elements"]
        : []),
    ],
  };
}

async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  return rowExtents(await readHeader(source, options), source.size);
}

async function array(source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> {
  const header = await readHeader(source, options);
  if (typeof header.type === "function") throw header.type();
  return flatArrayReader({
    format: "npy",
    source,
    arrays: [npyFlatArray(header, { name: "", offset: 0 })],
    indexBytes: header.dataOffset,
    extents: rowExtents(header, source.size),
    options,
  });
}

export const npy: FormatModule = { info, extents, array };
