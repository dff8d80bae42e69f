import { expect, test } from "vitest";
import { schemaTable } from "../../../src/formats/arrow/message.ts";
import { parseSchema } from "../../../src/formats/arrow/schema.ts";
import { plainHint } from "../../../src/formats/parquet/plain-types.ts";
import type { SchemaNode } from "../../../src/formats/parquet/schema.ts";

/** Of Schema.fbs and Message.fbs. */
const BINARY = 4;
const UTF8 = 5;
const STRUCT = 13;
const VERSION_5 = 4;

type Slot = { readonly byte: number } | { readonly to: number } | undefined;

/** A flatbuffer whose tables and vectors are laid down one behind the other; places are known before they are made. */
class Flat {
  readonly bytes: Buffer = Buffer.alloc(1 << 16);
  #end = 4;

  /** A table of these fields, each 4 bytes; returns where it is. */
  table(slots: readonly Slot[]): { readonly at: number; point(slot: number, target: number): void } {
    const vtable = this.#end;
    const at = vtable + 4 + slots.length * 2;
    this.bytes.writeUInt16LE(4 + slots.length * 2, vtable);
    this.bytes.writeUInt16LE(4 + slots.length * 4, vtable + 2);
    this.bytes.writeInt32LE(at - vtable, at);
    for (const [index, slot] of slots.entries()) {
      this.bytes.writeUInt16LE(slot === undefined ? 0 : 4 + index * 4, vtable + 4 + index * 2);
      if (slot !== undefined && "byte" in slot) this.bytes.writeUInt8(slot.byte, at + 4 + index * 4);
    }
    this.#end = at + 4 + slots.length * 4;
    const point = (index: number, target: number): void => {
      const field = at + 4 + index * 4;
      this.bytes.writeUInt32LE(target - field, field);
    };
    return { at, point };
  }

  /** A vector of tables; `point` makes them all the same one. */
  vector(length: number): {
    readonly at: number;
    point(target: number): void;
    pointItem(index: number, target: number): void;
  } {
    const at = this.#end;
    this.bytes.writeUInt32LE(length, at);
    this.#end = at + 4 + length * 4;
    const pointItem = (index: number, target: number): void => {
      const item = at + 4 + index * 4;
      this.bytes.writeUInt32LE(target - item, item);
    };
    const point = (target: number): void => {
      for (let index = 0; index < length; index += 1) pointItem(index, target);
    };
    return { at, point, pointItem };
  }

  message(root: number): Uint8Array {
    this.bytes.writeUInt32LE(root, 0);
    const head = Buffer.alloc(8, 0xff);
    head.writeUInt32LE(this.#end, 4);
    return Buffer.concat([head, this.bytes.subarray(0, this.#end)]);
  }
}

/** A schema of `levels` structs in each other, each with `width` children, or notes, that are one and the same table. */
function aliased({ levels, width, notes }: { levels: number; width: number; notes: number }): Uint8Array {
  const flat = new Flat();
  const link = { to: 0 };
  const message = flat.table([{ byte: VERSION_5 }, { byte: 1 }, link]);
  const schema = flat.table([undefined, link]);
  message.point(2, schema.at);
  let vector = flat.vector(width);
  schema.point(1, vector.at);
  for (let level = 0; level < levels; level += 1) {
    const field = flat.table([undefined, undefined, { byte: STRUCT }, link, undefined, link, link]);
    vector.point(field.at);
    const type = flat.table([]);
    field.point(3, type.at);
    const entries = flat.vector(notes);
    field.point(6, entries.at);
    entries.point(flat.table([]).at);
    vector = flat.vector(level === levels - 1 ? 0 : width);
    field.point(5, vector.at);
  }
  return flat.message(message.at);
}

test("a schema that is as large as it says is read", () => {
  const { schema } = parseSchema(schemaTable(aliased({ levels: 2, width: 3, notes: 1 })));
  expect(schema.fields.map(({ type }) => type.children?.length)).toEqual([3, 3, 3]);
});

test("tables that stand in millions of places at once are refused, however few bytes they take", () => {
  const wide = aliased({ levels: 8, width: 40, notes: 0 });
  expect(wide.length).toBeLessThan(3000);
  expect(() => parseSchema(schemaTable(wide))).toThrow(/contains itself/);
  const noted = aliased({ levels: 3, width: 30, notes: 500 });
  expect(() => parseSchema(schemaTable(noted))).toThrow(/entries of metadata/);
});

test("columns may share a dictionary, and one number may not stand for two", () => {
  const shared = (kinds: readonly number[]): Uint8Array => {
    const flat = new Flat();
    const link = { to: 0 };
    const message = flat.table([{ byte: VERSION_5 }, { byte: 1 }, link]);
    const schema = flat.table([undefined, link]);
    message.point(2, schema.at);
    const fields = flat.vector(kinds.length);
    schema.point(1, fields.at);
    for (const [index, kind] of kinds.entries()) {
      const field = flat.table([undefined, undefined, { byte: kind }, link, link]);
      fields.pointItem(index, field.at);
      field.point(3, flat.table([]).at);
      field.point(4, flat.table([]).at);
    }
    return flat.message(message.at);
  };
  const { schema } = parseSchema(schemaTable(shared([UTF8, UTF8])));
  expect(schema.fields.map(({ type }) => String(type))).toEqual(["Dictionary<Int32, Utf8>", "Dictionary<Int32, Utf8>"]);
  expect(() => parseSchema(schemaTable(shared([UTF8, BINARY])))).toThrow(
    expect.objectContaining({ code: "malformed", message: "two dictionaries of the number 0" }),
  );
});

test("Parquet's note of its Arrow schema has no more fields than the file", () => {
  const leaf = { children: [] as readonly SchemaNode[] };
  // Of a node nothing but its children is asked for here.
  const root = { children: [{ children: [leaf] }] } as unknown as SchemaNode;
  const hint = (width: number): string => Buffer.from(aliased({ levels: 2, width, notes: 0 })).toString("base64");
  const keep = (): boolean => true;
  expect(plainHint(hint(1), { root, keep })).toEqual(expect.any(String));
  expect(plainHint(hint(40), { root, keep })).toBeUndefined();
});
