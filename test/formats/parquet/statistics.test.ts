import { Field, FixedSizeBinary, Float64, Int32, Schema, Uint32, Utf8, type DataType } from "apache-arrow";
import { expect, test } from "vitest";
import { columnBounds, type RawBounds } from "../../../src/formats/parquet/statistics.ts";
import type { Physical, SchemaNode } from "../../../src/formats/parquet/schema.ts";
import { bindPredicate } from "../../../src/formats/predicate/bind-predicate.ts";
import { boundColumns } from "../../../src/formats/predicate/bound-predicate.ts";
import type { ColumnBounds } from "../../../src/formats/predicate/may-match.ts";

function node(physical: Physical, more: Partial<SchemaNode> = {}): SchemaNode {
  return {
    name: "a",
    physical,
    typeLength: 0,
    repetition: "OPTIONAL",
    converted: undefined,
    logical: undefined,
    scale: 0,
    precision: 0,
    children: [],
    leaf: 0,
    leaves: 1,
    raw: { start: 0, end: 0 },
    ...more,
  };
}

interface Case {
  readonly type: DataType;
  readonly physical: Physical;
  readonly more?: Partial<SchemaNode>;
  readonly raw: Partial<RawBounds>;
}

function boundsOf({ type, physical, more, raw }: Case): ColumnBounds {
  const bound = bindPredicate({ kind: "null", path: ["a"] }, new Schema([new Field("a", type, true)]));
  const [column] = boundColumns(bound);
  if (column === undefined) throw new Error("no column");
  const known = { min: undefined, max: undefined, nullCount: 0, rowCount: 10, ordered: true, ...raw };
  return columnBounds(known, { node: node(physical, more), column });
}

function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

function double(value: number): Uint8Array {
  return new Uint8Array(Float64Array.of(value).buffer);
}

test("bounds of integers are those of the type, signed or not", () => {
  expect(boundsOf({ type: new Int32(), physical: "INT32", raw: { min: int32(-5), max: int32(7) } })).toMatchObject({
    min: -5n,
    max: 7n,
  });
  const unsigned = { type: new Uint32(), physical: "INT32" as const, raw: { min: int32(5), max: int32(-1) } };
  expect(boundsOf(unsigned)).toMatchObject({ min: 5n, max: 4_294_967_295n });
  expect(boundsOf({ ...unsigned, raw: { ...unsigned.raw, ordered: false } })).not.toHaveProperty("max", 4_294_967_295n);
});

test("bounds that are no numbers, have the wrong length or cross each other prove nothing", () => {
  const floats = { type: new Float64(), physical: "DOUBLE" as const };
  expect(boundsOf({ ...floats, raw: { min: double(NaN), max: double(1) } })).toEqual({ nullCount: 0, rowCount: 10 });
  expect(boundsOf({ ...floats, raw: { min: double(2), max: double(1) } })).toEqual({ nullCount: 0, rowCount: 10 });
  expect(boundsOf({ ...floats, raw: { min: new Uint8Array(7) } }).min).toBeUndefined();
  expect(boundsOf({ ...floats, raw: { min: double(-0), max: double(3) } })).toMatchObject({ min: -0, max: 3 });
});

test("bounds of text count only where the file says that they follow the order of the type", () => {
  const bytes = new TextEncoder().encode("abc");
  expect(boundsOf({ type: new Utf8(), physical: "BYTE_ARRAY", raw: { min: bytes } }).min).toEqual(bytes);
  expect(
    boundsOf({ type: new Utf8(), physical: "BYTE_ARRAY", raw: { min: bytes, ordered: false } }).min,
  ).toBeUndefined();
  const interval = { kind: "INTERVAL" };
  expect(
    boundsOf({
      type: new FixedSizeBinary(12),
      physical: "FIXED_LEN_BYTE_ARRAY",
      more: { logical: interval },
      raw: { min: bytes },
    }).min,
  ).toBeUndefined();
});
