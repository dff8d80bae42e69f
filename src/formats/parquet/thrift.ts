import { RiffleError } from "../../errors.ts";

/** Types of Thrift's compact protocol, which Parquet's metadata is written in. A boolean field has its value as its type. */
export const THRIFT = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const;

/** Parquet's own structures are 7 deep. */
const MAX_DEPTH = 48;

/**
 * Reads what is asked for and skips the rest, without a tree. It ends on every input: each step takes a byte at least, and a
 * count is never more than the bytes that are left. Everything it rejects is `malformed`.
 */
export class ThriftReader {
  readonly bytes: Uint8Array;
  readonly #end: number;
  #view: DataView | undefined;
  position: number;

  constructor(bytes: Uint8Array, position = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.#end = Math.min(end, bytes.length);
  }

  /**
   * Visits the fields of a struct in order. `take` reads the value and returns true, or leaves it to be skipped; a boolean's
   * value is `type === THRIFT.true`, with nothing to read.
   */
  struct(take: (id: number, type: number) => boolean): void {
    let id = 0;
    for (;;) {
      const header = this.byte();
      if (header === 0) return;
      const type = header & 15;
      id = header >> 4 === 0 ? this.zigzag() : id + (header >> 4);
      if (!take(id, type)) this.skipField(type);
    }
  }

  /** The elements of a list; `read` must read one. */
  list<T>(read: (type: number) => T): T[] {
    const { type, count } = this.#listHeader();
    const out: T[] = [];
    for (let index = 0; index < count; index++) out.push(read(type));
    return out;
  }

  byte(): number {
    const byte = this.position < this.#end ? this.bytes[this.position] : undefined;
    if (byte === undefined) throw broken("it ends too early");
    this.position += 1;
    return byte;
  }

  /** Exact up to 2^53; beyond, near enough to be seen as too large. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw broken("a number does not end");
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  double(): number {
    this.#need(8);
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    const value = this.#view.getFloat64(this.position, true);
    this.position += 8;
    return value;
  }

  /** A view, not a copy. */
  binary(): Uint8Array {
    const length = this.varint();
    this.#need(length);
    const value = this.bytes.subarray(this.position, this.position + length);
    this.position += length;
    return value;
  }

  string(): string {
    const { buffer, byteOffset, byteLength } = this.binary();
    return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
  }

  /** Passes over a struct and returns where it lies. */
  skipStruct(): { readonly start: number; readonly end: number } {
    const start = this.position;
    this.#skip(THRIFT.struct, 0);
    return { start, end: this.position };
  }

  /** Passes over the value of a field. */
  skipField(type: number): void {
    if (type !== THRIFT.true && type !== THRIFT.false) this.#skip(type, 0);
  }

  #skip(type: number, depth: number): void {
    if (depth > MAX_DEPTH) throw broken("it is nested too deep");
    if (type === THRIFT.struct) {
      for (let header = this.byte(); header !== 0; header = this.byte()) {
        if (header >> 4 === 0) this.varint();
        if ((header & 15) > THRIFT.false) this.#skip(header & 15, depth + 1);
      }
    } else if (type === THRIFT.list || type === THRIFT.set) {
      const { type: element, count } = this.#listHeader();
      for (let index = 0; index < count; index++) this.#skip(element, depth + 1);
    } else if (type === THRIFT.map) {
      const count = this.varint();
      if (count === 0) return;
      this.#need(count);
      const types = this.byte();
      for (let index = 0; index < count; index++) {
        this.#skip(types >> 4, depth + 1);
        this.#skip(types & 15, depth + 1);
      }
    } else this.#skipScalar(type);
  }

  #skipScalar(type: number): void {
    if (type === THRIFT.binary) this.binary();
    else if (type === THRIFT.double) this.double();
    else if (type === THRIFT.i16 || type === THRIFT.i32 || type === THRIFT.i64) this.varint();
    else if (type === THRIFT.true || type === THRIFT.false || type === THRIFT.byte) this.byte();
    else throw broken(`no type has number ${type}`);
  }

  #listHeader(): { readonly type: number; readonly count: number } {
    const header = this.byte();
    const count = header >> 4 === 15 ? this.varint() : header >> 4;
    this.#need(count);
    return { type: header & 15, count };
  }

  #need(count: number): void {
    if (count > this.#end - this.position) throw broken("it ends too early");
  }
}

function broken(how: string): RiffleError {
  return new RiffleError("malformed", `the metadata of this Parquet file cannot be read: ${how}`);
}
