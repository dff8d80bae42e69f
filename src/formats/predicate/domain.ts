import { DataType, DateUnit, Precision, TimeUnit } from "apache-arrow";

/**
 * How the values of a column compare. A value is what the buffers hold: integers and unscaled decimals, ticks since 1970 or
 * midnight, UTF-8 or other bytes, 0 and 1 for booleans.
 */
export type Domain =
  /** The value is the number times 10^scale; `bits` and `signed` say which fit. */
  | { readonly kind: "exact"; readonly scale: number; readonly bits: number; readonly signed: boolean }
  /** NaN equals itself and is greater than all else, as in DuckDB and PostgreSQL; zeros of both signs are equal. */
  | { readonly kind: "float"; readonly bits: 16 | 32 | 64 }
  /** Without a zone in column or literal: UTC. */
  | { readonly kind: "instant"; readonly perDay: bigint; readonly bits: 32 | 64 }
  | { readonly kind: "time"; readonly perDay: bigint; readonly bits: 32 | 64 }
  | { readonly kind: "boolean" }
  | { readonly kind: "text" }
  /** `width` of a fixed size, else undefined. */
  | { readonly kind: "bytes"; readonly width: number | undefined }
  /** Arrow's type Null: every value is null, and any comparison with it unknown. */
  | { readonly kind: "nothing" }
  /** Only `IS NULL` applies: nested types, intervals, unions. */
  | { readonly kind: "opaque" };

const SECONDS_PER_DAY = 86_400n;

export function domainOf(type: DataType): Domain {
  if (DataType.isDictionary(type)) return domainOf(type.dictionary as DataType); // its values are of one type
  if (DataType.isInt(type)) return { kind: "exact", scale: 0, bits: type.bitWidth, signed: type.isSigned };
  if (DataType.isDecimal(type)) return { kind: "exact", scale: type.scale, bits: type.bitWidth, signed: true };
  if (DataType.isFloat(type)) {
    return {
      kind: "float",
      bits: type.precision === Precision.HALF ? 16 : type.precision === Precision.SINGLE ? 32 : 64,
    };
  }
  if (DataType.isDate(type)) {
    return type.unit === DateUnit.DAY
      ? { kind: "instant", perDay: 1n, bits: 32 }
      : { kind: "instant", perDay: SECONDS_PER_DAY * 1000n, bits: 64 };
  }
  if (DataType.isTimestamp(type)) return { kind: "instant", perDay: SECONDS_PER_DAY * perSecond(type.unit), bits: 64 };
  if (DataType.isTime(type)) {
    return { kind: "time", perDay: SECONDS_PER_DAY * perSecond(type.unit), bits: type.bitWidth === 32 ? 32 : 64 };
  }
  if (DataType.isBool(type)) return { kind: "boolean" };
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type)) return { kind: "text" };
  if (DataType.isFixedSizeBinary(type)) return { kind: "bytes", width: type.byteWidth };
  if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isBinaryView(type)) {
    return { kind: "bytes", width: undefined };
  }
  return { kind: DataType.isNull(type) ? "nothing" : "opaque" };
}

function perSecond(unit: TimeUnit): bigint {
  switch (unit) {
    case TimeUnit.SECOND:
      return 1n;
    case TimeUnit.MILLISECOND:
      return 1000n;
    case TimeUnit.MICROSECOND:
      return 1_000_000n;
    case TimeUnit.NANOSECOND:
    default:
      return 1_000_000_000n;
  }
}

/** As Arrow prints it. */
export function typeName(type: DataType): string {
  // Every type has its own `toString`, of which its declaration does not know.
  const printed: { toString(): string } = type;
  return printed.toString();
}

/** Whether values of both domains can be compared with each other. */
export function comparable(a: Domain, b: Domain): boolean {
  const numeric = (domain: Domain): boolean => domain.kind === "exact" || domain.kind === "float";
  if (a.kind === "opaque" || b.kind === "opaque") return false;
  return a.kind === "nothing" || b.kind === "nothing" || a.kind === b.kind || (numeric(a) && numeric(b));
}
