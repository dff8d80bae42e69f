import {
  DateDay,
  Field,
  Int64,
  makeData,
  RecordBatch,
  Struct,
  TimestampMicrosecond,
  Utf8,
  type Data,
  type DataType,
  type Schema,
} from "apache-arrow";
import { instantOf, NANOSECONDS_PER_DAY } from "../predicate/instant.ts";
import type { PartitionColumn, PartitionType } from "./partitions.ts";

/** The Arrow field of a partition column. */
export function partitionField(column: PartitionColumn): Field {
  return new Field(column.name, arrowType(column.type), true);
}

function arrowType(type: PartitionType): DataType {
  switch (type) {
    case "integer":
      return new Int64();
    case "date":
      return new DateDay();
    case "timestamp":
      return new TimestampMicrosecond();
    case "text":
    default:
      return new Utf8();
  }
}

/** `length` rows of one value; undefined is null. */
export function constantData(
  column: { readonly type: PartitionType; readonly value: string | undefined },
  length: number,
): Data {
  const { type, value } = column;
  const nulls =
    value === undefined
      ? { nullCount: length, nullBitmap: new Uint8Array(((length + 63) >> 6) << 3) }
      : { nullCount: 0 };
  const nanoseconds = (type === "date" || type === "timestamp") && value !== undefined ? (instantOf(value) ?? 0n) : 0n;
  switch (type) {
    case "integer": {
      const data = new BigInt64Array(length).fill(BigInt(value ?? 0));
      return makeData({ type: new Int64(), length, ...nulls, data });
    }
    case "date": {
      const data = new Int32Array(length).fill(Number(nanoseconds / NANOSECONDS_PER_DAY));
      return makeData({ type: new DateDay(), length, ...nulls, data });
    }
    case "timestamp": {
      const data = new BigInt64Array(length).fill(nanoseconds / 1000n);
      return makeData({ type: new TimestampMicrosecond(), length, ...nulls, data });
    }
    case "text":
    default: {
      const bytes = new TextEncoder().encode(value ?? "");
      const data = new Uint8Array(bytes.length * length);
      const valueOffsets = new Int32Array(length + 1);
      for (let row = 0; row < length; row += 1) {
        data.set(bytes, row * bytes.length);
        valueOffsets[row + 1] = (row + 1) * bytes.length;
      }
      return makeData({ type: new Utf8(), length, ...nulls, valueOffsets, data });
    }
  }
}

/** A batch of columns that have equally many rows. */
export function batchOf(
  schema: Schema,
  columns: { readonly length: number; readonly data: readonly Data[] },
): RecordBatch {
  const { length } = columns;
  const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children: [...columns.data] });
  return new RecordBatch(schema, data);
}
