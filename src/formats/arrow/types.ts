import {
  Binary,
  BinaryView,
  Bool,
  DateDay,
  DateMillisecond,
  Decimal,
  DenseUnion,
  DurationMicrosecond,
  DurationMillisecond,
  DurationNanosecond,
  DurationSecond,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  IntervalDayTime,
  IntervalMonthDayNano,
  IntervalYearMonth,
  LargeBinary,
  LargeList,
  LargeUtf8,
  List,
  Map_,
  Null,
  SparseUnion,
  Struct,
  TimeMicrosecond,
  TimeMillisecond,
  TimeNanosecond,
  TimeSecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  Utf8View,
  type DataType,
  type Field,
} from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { flatInt32, flatText, flatUint16, flatUint8, flatVector, type FlatTable } from "../flatbuffer.ts";

export interface TypeSource {
  /** The member of the union `Type` of Schema.fbs. */
  readonly kind: number;
  readonly table: FlatTable | undefined;
  readonly children: readonly Field[];
  /** For errors. */
  readonly name: string;
}

/** The members of `Type` in Schema.fbs, in its order; the first is none. */
const KINDS = (
  "none null int float binary utf8 bool decimal date time timestamp interval list struct union fixed-size-binary " +
  "fixed-size-list map duration large-binary large-utf8 large-list run-end-encoded binary-view utf8-view list-view large-list-view"
).split(" ");

type Make = (from: { table: FlatTable; children: readonly Field[] }) => DataType | undefined;

const MAKERS: Readonly<Record<string, Make>> = {
  null: () => new Null(),
  int: ({ table }) => intType(flatInt32(table, 0, 0), flatUint8(table, 1, 0) !== 0),
  float: ({ table }) => [() => new Float16(), () => new Float32(), () => new Float64()][flatUint16(table, 0, 0)]?.(),
  binary: () => new Binary(),
  utf8: () => new Utf8(),
  bool: () => new Bool(),
  decimal: ({ table }) => decimalType(table),
  date: ({ table }) => (flatUint16(table, 0, 1) === 0 ? new DateDay() : new DateMillisecond()),
  time: ({ table }) =>
    [() => new TimeSecond(), () => new TimeMillisecond(), () => new TimeMicrosecond(), () => new TimeNanosecond()][
      flatUint16(table, 0, 1)
    ]?.(),
  timestamp: ({ table }) => timestampType(flatUint16(table, 0, 0), flatText(table, 1)),
  interval: ({ table }) =>
    [() => new IntervalYearMonth(), () => new IntervalDayTime(), () => new IntervalMonthDayNano()][
      flatUint16(table, 0, 0)
    ]?.(),
  list: ({ children: [child] }) => child && new List(child),
  struct: ({ children }) => new Struct([...children]),
  union: ({ table, children }) => unionType(table, children),
  "fixed-size-binary": ({ table }) => sized(flatInt32(table, 0, 0), (width) => new FixedSizeBinary(width)),
  "fixed-size-list": ({ table, children: [child] }) =>
    child && sized(flatInt32(table, 0, 0), (length) => new FixedSizeList(length, child)),
  map: ({ table, children: [child] }) =>
    // A map's child is a struct of key and value; `load-data` checks that it is.
    child && child.type.children?.length === 2 ? new Map_(child as never, flatUint8(table, 0, 0) !== 0) : undefined,
  duration: ({ table }) =>
    [
      () => new DurationSecond(),
      () => new DurationMillisecond(),
      () => new DurationMicrosecond(),
      () => new DurationNanosecond(),
    ][flatUint16(table, 0, 1)]?.(),
  "large-binary": () => new LargeBinary(),
  "large-utf8": () => new LargeUtf8(),
  "large-list": ({ children: [child] }) => child && new LargeList(child),
  "binary-view": () => new BinaryView(),
  "utf8-view": () => new Utf8View(),
};

/** Throws `unsupported` naming column and type when there is no reader for it. */
export function typeOf({ kind, table, children, name }: TypeSource): DataType {
  const known = KINDS[kind];
  const make = known === undefined ? undefined : MAKERS[known];
  if (known === undefined || make === undefined) {
    const type = known ?? `number ${kind}`;
    throw new RiffleError("unsupported", `column ${JSON.stringify(name)} is of the Arrow type ${type}`);
  }
  const type = table === undefined ? undefined : make({ table, children });
  if (type === undefined)
    throw new RiffleError("malformed", `column ${JSON.stringify(name)} is no sound ${known} of Arrow`);
  return type;
}

/** Undefined for widths that there are none of. */
export function intType(bits: number, isSigned: boolean): DataType | undefined {
  const signed: Readonly<Record<number, () => DataType>> = {
    8: () => new Int8(),
    16: () => new Int16(),
    32: () => new Int32(),
    64: () => new Int64(),
  };
  const unsigned: Readonly<Record<number, () => DataType>> = {
    8: () => new Uint8(),
    16: () => new Uint16(),
    32: () => new Uint32(),
    64: () => new Uint64(),
  };
  return (isSigned ? signed : unsigned)[bits]?.();
}

function decimalType(table: FlatTable): DataType | undefined {
  const [precision, scale, bits] = [flatInt32(table, 0, 0), flatInt32(table, 1, 0), flatInt32(table, 2, 128)];
  const isSound = [32, 64, 128, 256].includes(bits) && precision > 0 && precision <= 76 && Math.abs(scale) <= 76;
  return isSound ? new Decimal(scale, precision, bits) : undefined;
}

function timestampType(unit: number, zone: string | undefined): DataType | undefined {
  const makers = [TimestampSecond, TimestampMillisecond, TimestampMicrosecond, TimestampNanosecond];
  const Make = makers[unit];
  return Make === undefined ? undefined : new Make(zone ?? null);
}

function unionType(table: FlatTable, children: readonly Field[]): DataType | undefined {
  const vector = flatVector(table, 1, 4);
  const ids =
    vector === undefined
      ? children.map((_, index) => index)
      : Array.from({ length: vector.length }, (_, index) => table.view.getInt32(vector.start + index * 4, true));
  if (ids.length !== children.length || ids.some((id) => id < 0 || id > 127)) return undefined;
  return flatUint16(table, 0, 0) === 0 ? new SparseUnion(ids, [...children]) : new DenseUnion(ids, [...children]);
}

function sized(size: number, make: (size: number) => DataType): DataType | undefined {
  return size >= 0 && size <= 0x7fffffff ? make(size) : undefined;
}
