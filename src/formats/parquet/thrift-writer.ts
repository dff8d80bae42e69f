import { THRIFT, ThriftReader } from "./thrift.ts";

/** Builds one struct of Thrift's compact protocol from new numbers and from values that are copied as they are. */
export class ThriftWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;
  #last = 0;

  /** Begins field `id`; ids must rise. What follows must be its value. */
  field(id: number, type: number): this {
    const delta = id - this.#last;
    this.#last = id;
    if (delta > 0 && delta < 16) return this.#byte((delta << 4) | type);
    return this.#byte(type).#zigzag(id);
  }

  number(id: number, options: { readonly type: "i32" | "i64"; readonly value: number }): this {
    return this.field(id, THRIFT[options.type]).#zigzag(options.value);
  }

  /** A list of structs, each given as its bytes. */
  structs(id: number, elements: readonly Uint8Array[]): this {
    this.field(id, THRIFT.list);
    if (elements.length < 15) this.#byte((elements.length << 4) | THRIFT.struct);
    else this.#byte(0xf0 | THRIFT.struct).#varint(elements.length);
    for (const element of elements) this.raw(element);
    return this;
  }

  binary(id: number, value: Uint8Array): this {
    return this.field(id, THRIFT.binary).#varint(value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** Ends the struct. */
  end(): Uint8Array {
    return this.#byte(0).#bytes.subarray(0, this.#length);
  }

  #zigzag(value: number): this {
    return this.#varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  #varint(value: number): this {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#byte((rest % 128) | 128);
    return this.#byte(rest);
  }

  #byte(value: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** A field of a struct, its value as bytes (none for a boolean, whose type is its value). */
export interface RawField {
  readonly id: number;
  readonly type: number;
  readonly value: Uint8Array;
}

export function rawFields(struct: Uint8Array): readonly RawField[] {
  const reader = new ThriftReader(struct);
  const fields: RawField[] = [];
  reader.struct((id, type) => {
    const start = reader.position;
    reader.skipField(type);
    fields.push({ id, type, value: struct.subarray(start, reader.position) });
    return true;
  });
  return fields;
}

/** The same struct with numbers set, and without the fields of `drop`; everything else is copied byte by byte. */
export function editStruct(
  struct: Uint8Array,
  edit: {
    readonly set: Readonly<Record<number, { readonly type: "i32" | "i64"; readonly value: number }>>;
    readonly drop: ReadonlySet<number>;
  },
): Uint8Array {
  const kept = rawFields(struct).filter(({ id }) => !edit.drop.has(id) && edit.set[id] === undefined);
  const writer = new ThriftWriter();
  const added = Object.entries(edit.set).map(([id, number]) => ({ id: Number(id), number }));
  const all = [...kept.map((field) => ({ id: field.id, field })), ...added].sort((a, b) => a.id - b.id);
  for (const part of all) {
    if ("field" in part) writer.field(part.id, part.field.type).raw(part.field.value);
    else writer.number(part.id, part.number);
  }
  return writer.end();
}
