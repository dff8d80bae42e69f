import { RiffleError } from "../../errors.ts";
import { numpyType, type ElementType } from "../element-type.ts";
import { isJsonObject } from "../../oci/parse-json.ts";
import { configOf } from "./named-config.ts";

/** What a chunk holds: elements of one size, or texts (bytes, one character for each) of any length. */
export type ZarrType = { readonly kind: "fixed"; readonly type: ElementType } | { readonly kind: "text" | "bytes" };

const NUMPY_NAMES: Readonly<Record<string, string>> = {
  bool: "|b1",
  int8: "|i1",
  int16: "<i2",
  int32: "<i4",
  int64: "<i8",
  uint8: "|u1",
  uint16: "<u2",
  uint32: "<u4",
  uint64: "<u8",
  float16: "<f2",
  float32: "<f4",
  float64: "<f8",
  complex64: "<c8",
  complex128: "<c16",
};

const fixed = (text: string): ZarrType => ({ kind: "fixed", type: numpyType(text) });

/** The type of a version 2 array; structured ones are `unsupported`. */
export function typeOfV2(dtype: unknown, filters: readonly string[]): ZarrType {
  if (dtype === "|O" && filters.includes("vlen-utf8")) return { kind: "text" };
  if (dtype === "|O" && filters.includes("vlen-bytes")) return { kind: "bytes" };
  if (typeof dtype === "string") return fixed(dtype);
  throw new RiffleError("unsupported", `the structured Zarr type ${shorten(dtype)} is not one that riffle reads`);
}

/** The type of a version 3 array, core types and the extensions that zarr-python writes. */
export function typeOfV3(dataType: unknown, byteOrder: "<" | ">"): ZarrType {
  const name = isJsonObject(dataType) ? dataType["name"] : dataType;
  const config = configOf(isJsonObject(dataType) ? dataType["configuration"] : undefined);
  if (name === "string") return { kind: "text" };
  if (name === "bytes" || name === "variable_length_bytes") return { kind: "bytes" };
  if (typeof name === "string") {
    const text = Object.hasOwn(NUMPY_NAMES, name) ? NUMPY_NAMES[name] : extensionType(name, config);
    if (text !== undefined) return fixed(text.replace("<", byteOrder));
    if (name === "bfloat16") {
      return {
        kind: "fixed",
        type: { dtype: name, itemBytes: 2, swapped: byteOrder === ">" ? [{ at: 0, width: 2, count: 1 }] : [] },
      };
    }
  }
  throw new RiffleError("unsupported", `the Zarr type ${shorten(dataType)} is not one that riffle reads`);
}

function extensionType(name: string, config: Readonly<Record<string, unknown>>): string | undefined {
  const { length_bytes: bytes, unit, scale_factor: scale = 1 } = config;
  const raw = /^r(\d{1,6})$/.exec(name);
  if (raw !== null && Number(raw[1]) % 8 === 0) return `|V${Number(raw[1]) / 8}`;
  if (name === "numpy.datetime64" || name === "numpy.timedelta64") {
    const kind = name === "numpy.datetime64" ? "M8" : "m8";
    if (unit === "generic") return `<${kind}`;
    return typeof unit === "string" && Number.isSafeInteger(scale)
      ? `<${kind}[${scale === 1 ? "" : Number(scale)}${unit}]`
      : undefined;
  }
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 1) return undefined;
  if (name === "fixed_length_utf32" && bytes % 4 === 0) return `<U${bytes / 4}`;
  if (name === "null_terminated_bytes") return `|S${bytes}`;
  return name === "raw_bytes" ? `|V${bytes}` : undefined;
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? "without a name";
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
