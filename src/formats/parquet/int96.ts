import { BufferType, Data, DataType, type Timestamp } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { isValid, validityOf } from "./extract-field.ts";
import { int96Type, mapLeaves } from "./plain-types.ts";

const BYTES = 12;
/** Julian day of 1970-01-01. */
const EPOCH_DAY = 2_440_588n;
const DAY_NANOS = 86_400_000_000_000n;
const LIMIT = 1n << 63n;

export interface Int96Leaves {
  /** Whether the leaf of this number, counted in the column, is one. */
  readonly isInt96: (leaf: number) => boolean;
  /** See `int96Type`. */
  readonly fromSpark: boolean;
}

/** The type of a column whose INT96 leaves came as 12 bytes. */
export function int96ColumnType(type: DataType, { isInt96, fromSpark }: Int96Leaves): DataType {
  let leaf = 0;
  return mapLeaves(type, { next: () => leaf++, map: (own, at) => (isInt96(at) ? int96Type(fromSpark) : own) });
}

/**
 * The column with its INT96 leaves (nanoseconds of the day, then the Julian day) as timestamps. A time that the type cannot hold
 * exactly is `unsupported`, never another time.
 */
export function int96Column(
  data: Data,
  leaves: Int96Leaves & { readonly type: DataType; readonly what: string },
): Data {
  let leaf = 0;
  const convert = (part: Data, type: DataType): Data => {
    const own = part.type;
    if (!DataType.isStruct(own) && part.children.length === 0) {
      return leaves.isInt96(leaf++) ? timestamps(part, { type: type as Timestamp, what: leaves.what }) : part;
    }
    const children = part.children.map((child, at) =>
      convert(child, (type.children[at]?.type ?? child.type) as DataType),
    );
    const buffers = { [BufferType.OFFSET]: part.valueOffsets, ...validityOf(part) };
    return new Data(type, part.offset, part.length, part.nullCount, buffers, children);
  };
  return convert(data, leaves.type);
}

function timestamps(data: Data, { type, what }: { readonly type: Timestamp; readonly what: string }): Data {
  const bytes = data.values as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new BigInt64Array(data.length);
  const spark = type.unit === int96Type(true).unit;
  const step = spark ? 1000n : 1n;
  for (let row = 0; row < data.length; row++) {
    if (!isValid(data, row)) continue;
    const nanos =
      (BigInt(view.getUint32(row * BYTES + 8, true)) - EPOCH_DAY) * DAY_NANOS + view.getBigInt64(row * BYTES, true);
    // Spark adds the Julian day in 64 bits of microseconds, which wrap around far out: taking it off again must, too.
    const value = spark ? BigInt.asIntN(64, nanos / step) : nanos;
    if (nanos % step !== 0n || value >= LIMIT || value < -LIMIT) {
      const unit = spark ? "microseconds" : "nanoseconds";
      throw new RiffleError("unsupported", `${what} holds an INT96 time that 64 bits of ${unit} cannot`);
    }
    out[row] = value;
  }
  return new Data(type, data.offset, data.length, data.nullCount, { [BufferType.DATA]: out, ...validityOf(data) });
}
