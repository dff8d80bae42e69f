import { RiffleError } from "../../errors.ts";
import type { JsonObject } from "../../oci/parse-json.ts";
import { numpyType, toLittleEndian } from "../element-type.ts";

type ByteFilter = (bytes: Uint8Array) => Uint8Array;

type Numbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

type NumbersOf = (buffer: ArrayBuffer) => Numbers;

const ARRAYS: Readonly<Record<string, NumbersOf>> = {
  i1: (buffer) => new Int8Array(buffer),
  u1: (buffer) => new Uint8Array(buffer),
  i2: (buffer) => new Int16Array(buffer),
  u2: (buffer) => new Uint16Array(buffer),
  i4: (buffer) => new Int32Array(buffer),
  u4: (buffer) => new Uint32Array(buffer),
  f4: (buffer) => new Float32Array(buffer),
  f8: (buffer) => new Float64Array(buffer),
  i8: (buffer) => new BigInt64Array(buffer),
  u8: (buffer) => new BigUint64Array(buffer),
};

/** The filters of numcodecs that work on elements, undone (https://numcodecs.readthedocs.io). Undefined for other names. */
export function elementFilter(name: string, config: JsonObject): ByteFilter | undefined {
  if (name === "bitround") return (bytes) => bytes;
  if (name === "shuffle") return (bytes) => unshuffle(bytes, Number(config["elementsize"] ?? 4));
  if (name !== "delta" && name !== "fixedscaleoffset" && name !== "quantize") return undefined;
  const { dtype } = config;
  const { astype = dtype } = config;
  if (typeof dtype !== "string" || typeof astype !== "string") {
    throw new RiffleError("malformed", `the filter ${name} does not say what types it works on`);
  }
  const stored = numbersOf(astype);
  const target = numbersOf(dtype);
  if (name === "quantize") return (bytes) => bytesOf(convert(stored.read(bytes), target.make), dtype);
  if (name === "delta") return (bytes) => bytesOf(sums(stored.read(bytes), target.make), dtype);
  const { scale, offset } = config;
  if (typeof scale !== "number" || typeof offset !== "number") {
    throw new RiffleError("malformed", "the filter fixedscaleoffset has no scale and offset");
  }
  return (bytes) => bytesOf(convert(rescale(stored.read(bytes), { scale, offset }), target.make), dtype);
}

interface NumberType {
  readonly read: (bytes: Uint8Array) => Numbers;
  readonly make: (length: number) => Numbers;
}

function numbersOf(text: string): NumberType {
  const type = numpyType(spelled(text));
  const view = ARRAYS[type.dtype.slice(1)];
  if (view === undefined) throw new RiffleError("unsupported", `a filter works on type ${text}, which it cannot here`);
  return {
    make: (length) => view(new ArrayBuffer(length * type.itemBytes)),
    read: (bytes) => {
      if (bytes.length % type.itemBytes !== 0) throw new RiffleError("malformed", "a chunk is no number of elements");
      const copy = new Uint8Array(bytes.length);
      copy.set(bytes);
      toLittleEndian(copy, type);
      return view(copy.buffer);
    },
  };
}

/** `int32` and `i4` as `<i4`: filters name types in every way that NumPy takes. */
function spelled(text: string): string {
  const [, kind = "", bits = ""] = /^(int|uint|float)(8|16|32|64)$/.exec(text) ?? [];
  if (bits !== "") return `<${kind[0]}${Number(bits) / 8}`;
  return /^[<>|=]/.test(text) ? text : `<${text}`;
}

/** In the byte order that the filter's own type names, as the next step expects. */
function bytesOf(numbers: Numbers, dtype: string): Uint8Array {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return toLittleEndian(bytes, numpyType(spelled(dtype)));
}

function isBig(numbers: Numbers): numbers is BigInt64Array | BigUint64Array {
  return numbers instanceof BigInt64Array || numbers instanceof BigUint64Array;
}

function convert(from: Numbers, make: (length: number) => Numbers): Numbers {
  const to = make(from.length);
  if (isBig(to))
    for (const [i, value] of from.entries()) to[i] = BigInt(typeof value === "bigint" ? value : Math.trunc(value));
  else for (const [i, value] of from.entries()) to[i] = Number(value);
  return to;
}

function sums(from: Numbers, make: (length: number) => Numbers): Numbers {
  const to = make(from.length);
  if (isBig(to)) {
    let sum = 0n;
    for (const [i, value] of from.entries()) to[i] = sum = BigInt.asIntN(64, sum + BigInt(value));
    return to;
  }
  for (const [i, value] of from.entries()) to[i] = (i === 0 ? 0 : (to[i - 1] ?? 0)) + Number(value);
  return to;
}

/** NumPy computes with single precision where the stored type is that, and with double precision otherwise. */
function rescale(from: Numbers, { scale, offset }: { readonly scale: number; readonly offset: number }): Numbers {
  if (from instanceof Float32Array) {
    const by = Math.fround(scale);
    return from.map((value) => Math.fround(value / by) + Math.fround(offset));
  }
  return Float64Array.from(from as Iterable<number | bigint>, (value) => Number(value) / scale + offset);
}

function unshuffle(bytes: Uint8Array, width: number): Uint8Array {
  if (!Number.isSafeInteger(width) || width < 1)
    throw new RiffleError("malformed", "the filter shuffle has no element size");
  const count = Math.floor(bytes.length / width);
  const out = new Uint8Array(bytes.length);
  for (let byte = 0; byte < width; byte += 1) {
    for (let i = 0; i < count; i += 1) out[i * width + byte] = bytes[byte * count + i] ?? 0;
  }
  out.set(bytes.subarray(count * width), count * width);
  return out;
}
