import { RiffleError } from "../errors.ts";
import { validUtf8, viewOf } from "./binary.ts";

/**
 * A table in a FlatBuffers buffer (https://flatbuffers.dev/internals), read field by field with every offset checked: the
 * generated classes return zeros, or bytes of a neighbour, where an offset leads out of the buffer.
 */
export interface FlatTable {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the table begins, and its vtable. */
  readonly at: number;
  readonly vtable: number;
  readonly vtableBytes: number;
}

export interface FlatVector {
  /** Offset of the first element. */
  readonly start: number;
  readonly length: number;
}

/** The root of a buffer. Throws `malformed`. */
export function rootTable(bytes: Uint8Array): FlatTable {
  const view = viewOf(bytes);
  return checked(() => tableAt({ bytes, view }, view.getUint32(0, true)));
}

export function flatUint8(table: FlatTable, id: number, absent: number): number {
  return scalar(table, id, (at) => table.view.getUint8(at)) ?? absent;
}

export function flatUint16(table: FlatTable, id: number, absent: number): number {
  return scalar(table, id, (at) => table.view.getUint16(at, true)) ?? absent;
}

export function flatInt32(table: FlatTable, id: number, absent: number): number {
  return scalar(table, id, (at) => table.view.getInt32(at, true)) ?? absent;
}

export function flatInt64(table: FlatTable, id: number): bigint {
  return scalar(table, id, (at) => table.view.getBigInt64(at, true)) ?? 0n;
}

export function flatUint64(table: FlatTable, id: number): bigint {
  return scalar(table, id, (at) => table.view.getBigUint64(at, true)) ?? 0n;
}

export function flatTable(table: FlatTable, id: number): FlatTable | undefined {
  return scalar(table, id, (at) => tableAt(table, at + table.view.getUint32(at, true)));
}

export function flatText(table: FlatTable, id: number): string | undefined {
  const vector = flatVector(table, id, 1);
  if (vector === undefined) return undefined;
  const text = validUtf8(table.bytes.subarray(vector.start, vector.start + vector.length));
  if (text === undefined) throw new RiffleError("malformed", "a text in a flatbuffer is not UTF-8");
  return text;
}

/** A vector that lies inside of the buffer as a whole. */
export function flatVector(table: FlatTable, id: number, itemBytes: number): FlatVector | undefined {
  return scalar(table, id, (at) => {
    const head = at + table.view.getUint32(at, true);
    const length = table.view.getUint32(head, true);
    if (head + 4 + length * itemBytes > table.bytes.length) throw new RangeError("a vector beyond its buffer");
    return { start: head + 4, length };
  });
}

/** The tables of a vector of tables, each looked at when it is asked for. */
export function flatTables(table: FlatTable, id: number): { length: number; at(index: number): FlatTable } {
  const { start, length } = flatVector(table, id, 4) ?? { start: 0, length: 0 };
  return {
    length,
    at: (index) => checked(() => tableAt(table, start + index * 4 + table.view.getUint32(start + index * 4, true))),
  };
}

function tableAt({ bytes, view }: Pick<FlatTable, "bytes" | "view">, at: number): FlatTable {
  const vtable = at - view.getInt32(at, true);
  return { bytes, view, at, vtable, vtableBytes: view.getUint16(vtable, true) };
}

/** What `read` reads at a field; undefined when the table does not have it. */
function scalar<T>({ view, at, vtable, vtableBytes }: FlatTable, id: number, read: (at: number) => T): T | undefined {
  const slot = 4 + id * 2;
  if (slot + 2 > vtableBytes) return undefined;
  return checked(() => {
    const offset = view.getUint16(vtable + slot, true);
    return offset === 0 ? undefined : read(at + offset);
  });
}

function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RiffleError("malformed", "a flatbuffer points outside of itself", { cause: error });
  }
}
