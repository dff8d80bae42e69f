import { sbbfContains } from "hyparquet/src/bloom.js";
import { xxhash64 } from "hyparquet/src/xxhash.js";
import type { Value } from "../predicate/bound-predicate.ts";
import type { SchemaNode } from "./schema.ts";
import { THRIFT, ThriftReader } from "./thrift.ts";

const BLOCK_BYTES = 32;

/** A split block bloom filter, as Parquet's BloomFilter.md defines it; undefined for one of another kind, or cut short. */
export function parseBloom(bytes: Uint8Array): Uint32Array | undefined {
  try {
    const reader = new ThriftReader(bytes);
    let size = 0;
    const kinds: number[] = [];
    reader.struct((id, type) => {
      if (id === 1 && type === THRIFT.i32) size = reader.zigzag();
      else if (id <= 4 && type === THRIFT.struct)
        reader.struct((kind) => {
          kinds[id] = kind;
          return false;
        });
      else return false;
      return true;
    });
    // A copy whatever the bytes are: the slice of a Buffer would be a view.
    const bits = Uint8Array.from(bytes.subarray(reader.position, reader.position + size));
    // Block algorithm, xxHash, no compression: each is the first and only member of its union.
    const known = [2, 3, 4].every((id) => kinds[id] === 1);
    return known && size >= BLOCK_BYTES && size % BLOCK_BYTES === 0 && bits.length === size
      ? new Uint32Array(bits.buffer)
      : undefined;
  } catch {
    return undefined;
  }
}

/** False only when the column chunk holds none of the values. */
export function mayHold(
  filter: Uint32Array,
  { values, node }: { readonly values: readonly Value[]; readonly node: SchemaNode },
): boolean {
  return values.some((value) => {
    const bytes = plainEncoding(value, node);
    return bytes === undefined || sbbfContains(filter, xxhash64(bytes));
  });
}

/** As the value is stored, without a length; undefined where that is not sure. */
function plainEncoding(value: Value, { physical, logical, converted }: SchemaNode): Uint8Array | undefined {
  if (value instanceof Uint8Array)
    return physical === "BYTE_ARRAY" || physical === "FIXED_LEN_BYTE_ARRAY" ? value : undefined;
  // Dates and times may be in another unit in the column than in the file.
  if (/^(DATE|TIME)/.test(logical?.kind ?? converted ?? "")) return undefined;
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  if (physical === "INT32" || physical === "INT64") {
    if (typeof value === "number" && !Number.isSafeInteger(value)) return undefined;
    view.setBigInt64(0, BigInt.asIntN(64, BigInt(value)), true);
    return bytes.subarray(0, physical === "INT32" ? 4 : 8);
  }
  if (typeof value !== "number") return undefined;
  if (physical === "DOUBLE") view.setFloat64(0, value, true);
  else if (physical === "FLOAT" && Math.fround(value) === value) {
    view.setFloat32(0, value, true);
    return bytes.subarray(0, 4);
  } else return undefined;
  return bytes;
}
