import { DataType, type Data } from "apache-arrow";
import { valuesOf } from "../../../src/formats/predicate/compare-columns.ts";
import { domainOf, type Domain } from "../../../src/formats/predicate/domain.ts";
import { instantOf, NANOSECONDS_PER_DAY, timeOf } from "../../../src/formats/predicate/instant.ts";

/** How the rows of columns are read, made once for each: a column of bits or halves is widened as a whole. */
export type Readers = WeakMap<Data, ReturnType<typeof valuesOf>>;

interface Place {
  readonly row: number;
  readonly theirs: unknown;
  readonly readers: Readers;
}

/**
 * Whether a value of ours is what DuckDB says in JSON (integers and decimals as text, floats as numbers, instants as text). Types
 * that DuckDB has no equal for (intervals, unions) are taken as equal.
 */
export function isSame(data: Data, of: Place): boolean {
  const { row, theirs, readers } = of;
  const { type } = data;
  if (DataType.isNull(type) || !data.getValid(row)) return theirs === null;
  if (theirs === null) return false;
  if (DataType.isStruct(type)) {
    const [names, fields] = [type.children.map((field) => field.name), theirs as Readonly<Record<string, unknown>>];
    return names.every((name, i) => {
      const child = data.children[i];
      return child !== undefined && isSame(child, { row, theirs: fields[name] ?? null, readers });
    });
  }
  if (DataType.isList(type) || DataType.isLargeList(type) || DataType.isMap(type)) return isSameList(data, of);
  const domain = domainOf(type);
  const read = readers.get(data) ?? valuesOf(data, data.length);
  readers.set(data, read);
  const value = read(row);
  if (domain.kind === "opaque" || domain.kind === "nothing") return true;
  return value !== undefined && isSameScalar(domain, { value, theirs });
}

function isSameList(data: Data, of: Place): boolean {
  const offsets = data.valueOffsets as Int32Array | BigInt64Array;
  const [start, end] = [Number(offsets[of.row]), Number(offsets[of.row + 1])];
  const items = of.theirs as readonly unknown[];
  const [child] = data.children;
  if (child === undefined || items.length !== end - start) return false;
  return items.every((theirs, i) => isSame(child, { row: start + i, theirs, readers: of.readers }));
}

function isSameScalar(
  domain: Domain,
  of: { readonly value: number | bigint | Uint8Array; readonly theirs: unknown },
): boolean {
  const { value, theirs } = of;
  const said = String(theirs);
  switch (domain.kind) {
    case "exact":
      return decimalText(BigInt(value as number | bigint), domain.scale) === said;
    case "float":
      return Object.is(Number(theirs) + 0, Number(value) + 0);
    case "boolean":
      return (value === 1) === theirs;
    case "text":
      return Buffer.from(value as Uint8Array).toString() === said;
    case "bytes":
      return bytesText(value as Uint8Array) === said || uuidText(value as Uint8Array) === said;
    case "instant": {
      const nanos = (BigInt(value as number | bigint) * NANOSECONDS_PER_DAY) / domain.perDay;
      if (said.includes("(BC)")) return nanos < 0n;
      const told = instantOf(said);
      // DuckDB reads the 96-bit times of old writers by microseconds.
      return told === nanos || told === nanos - (((nanos % 1000n) + 1000n) % 1000n);
    }
    case "time":
      return timeOf(said) === (BigInt(value as number | bigint) * NANOSECONDS_PER_DAY) / domain.perDay;
    case "nothing":
    case "opaque":
    default:
      return true;
  }
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return `${unscaled < 0n ? "-" : ""}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ""}`;
}

/** As DuckDB prints BLOBs: printable ASCII, but quotes, as it is. */
function bytesText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 32 && byte <= 126 && byte !== 0x27 && byte !== 0x22
      ? String.fromCodePoint(byte)
      : `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  ).join("");
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
