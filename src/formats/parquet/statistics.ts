import type { BoundColumn, Value } from "../predicate/bound-predicate.ts";
import type { ColumnBounds } from "../predicate/may-match.ts";
import type { ColumnChunk, ParquetMetadata } from "./metadata.ts";
import type { SchemaNode } from "./schema.ts";
import { THRIFT, ThriftReader } from "./thrift.ts";

/** Bounds of a column in a row group or in a page, as the file has them: encoded values. */
export interface RawBounds {
  readonly min: Uint8Array | undefined;
  readonly max: Uint8Array | undefined;
  readonly nullCount: number | undefined;
  readonly rowCount: number;
  /** Whether they follow the order of the type; the older fields compared signed bytes. */
  readonly ordered: boolean;
}

/** Of a column chunk; empty bounds where nothing is said or it makes no sense. */
export function chunkBounds(
  metadata: ParquetMetadata,
  { chunk, leaf }: { readonly chunk: ColumnChunk; readonly leaf: number },
): RawBounds {
  const fields: (Uint8Array | undefined)[] = [];
  let nullCount: number | undefined;
  if (chunk.statistics !== undefined && !chunk.encrypted) {
    const reader = new ThriftReader(metadata.footer, chunk.statistics.start, chunk.statistics.end);
    reader.struct((id, type) => {
      if (id === 3 && type === THRIFT.i64) nullCount = reader.zigzag();
      else if (id <= 6 && type === THRIFT.binary) fields[id] = reader.binary();
      else return false;
      return true;
    });
  }
  const [, oldMax, oldMin, , , max, min] = fields;
  const isNew = min !== undefined || max !== undefined;
  return {
    min: isNew ? min : oldMin,
    max: isNew ? max : oldMax,
    nullCount: soundCount(nullCount, chunk.values),
    rowCount: chunk.values,
    ordered: isNew && metadata.typeOrder[leaf] === true,
  };
}

export function soundCount(count: number | undefined, most: number): number | undefined {
  return count !== undefined && Number.isSafeInteger(count) && count >= 0 && count <= most ? count : undefined;
}

/** What these bounds prove of the column, in the values that predicates compare; what is in doubt is left out. */
export function columnBounds(
  raw: RawBounds,
  { node, column }: { readonly node: SchemaNode; readonly column: BoundColumn },
): ColumnBounds {
  const decode = (bytes: Uint8Array | undefined): Value | undefined =>
    bytes === undefined ? undefined : decodeBound(bytes, { node, column, ordered: raw.ordered });
  const [min, max] = [decode(raw.min), decode(raw.max)];
  const counts = { nullCount: raw.nullCount, rowCount: raw.rowCount };
  // Bounds that contradict each other, or of which one is no number, prove nothing.
  const odd =
    [min, max].some((bound) => Number.isNaN(bound)) ||
    (typeof min !== "object" && typeof max !== "object" && min !== undefined && max !== undefined && min > max);
  return odd ? counts : { ...counts, min, max };
}

interface Bound {
  readonly node: SchemaNode;
  readonly column: BoundColumn;
  readonly ordered: boolean;
}

/** Kinds whose order Parquet leaves undefined. */
const UNORDERED = new Set(["INTERVAL", "GEOMETRY", "GEOGRAPHY", "VARIANT", "UNKNOWN"]);

function decodeBound(bytes: Uint8Array, { node, column: { domain }, ordered }: Bound): Value | undefined {
  if (UNORDERED.has(node.logical?.kind ?? node.converted ?? "")) return undefined;
  switch (domain.kind) {
    case "boolean":
      return node.physical === "BOOLEAN" && bytes.length === 1 ? bytes[0] : undefined;
    case "exact":
      return exactBound(bytes, { node, ordered, signed: domain.signed });
    case "instant":
    case "time":
      return scaled(integer(bytes, node), { from: ticksPerDay(node), to: domain.perDay });
    case "float":
      return float(bytes, node);
    case "text":
    case "bytes":
      return ordered ? bytes : undefined;
    case "nothing":
    case "opaque":
    default:
      return undefined;
  }
}

interface Exact {
  readonly node: SchemaNode;
  readonly ordered: boolean;
  readonly signed: boolean;
}

function exactBound(bytes: Uint8Array, { node, ordered, signed }: Exact): bigint | undefined {
  const value = integer(bytes, node);
  if (value !== undefined) {
    if (signed) return value;
    return ordered ? BigInt.asUintN(node.physical === "INT32" ? 32 : 64, value) : undefined;
  }
  // A decimal of fixed length is never cut short by writers; one of any length may be.
  if (node.physical !== "FIXED_LEN_BYTE_ARRAY" || !ordered || bytes.length !== node.typeLength || bytes.length > 32)
    return undefined;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`));
}

function integer(bytes: Uint8Array, { physical }: SchemaNode): bigint | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (physical === "INT32" && bytes.length === 4) return BigInt(view.getInt32(0, true));
  return physical === "INT64" && bytes.length === 8 ? view.getBigInt64(0, true) : undefined;
}

function float(bytes: Uint8Array, { physical }: SchemaNode): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (physical === "FLOAT" && bytes.length === 4) return view.getFloat32(0, true);
  return physical === "DOUBLE" && bytes.length === 8 ? view.getFloat64(0, true) : undefined;
}

const DAY_MILLIS = 86_400_000n;

function ticksPerDay({ logical, converted }: SchemaNode): bigint | undefined {
  const kind = logical?.kind ?? converted;
  if (kind === "DATE") return 1n;
  const unit = logical?.unit ?? converted?.replace(/^TIME(STAMP)?_/, "");
  if (unit === "MILLIS") return DAY_MILLIS;
  if (unit === "MICROS") return DAY_MILLIS * 1000n;
  return unit === "NANOS" ? DAY_MILLIS * 1_000_000n : undefined;
}

/** Only where the units of file and column are the same, or that of the column is finer. */
function scaled(
  value: bigint | undefined,
  units: { readonly from: bigint | undefined; readonly to: bigint },
): bigint | undefined {
  const { from, to } = units;
  return value === undefined || from === undefined || to % from !== 0n ? undefined : value * (to / from);
}
