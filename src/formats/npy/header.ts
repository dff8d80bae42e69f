import { RiffleError } from "../../errors.ts";
import { latin1, validUtf8, viewOf } from "../binary.ts";
import { elementCount, numpyType, type ElementType, type SwappedWords } from "../element-type.ts";
import { parseLiteral, type Literal } from "./literal.ts";

export interface NpyArray {
  readonly version: number;
  /** As stored, a structured type as Python writes it. */
  readonly descr: string;
  /** Or why the elements cannot be read. */
  readonly type: ElementType | (() => RiffleError);
  readonly shape: readonly number[];
  readonly order: "C" | "F";
  readonly dataOffset: number;
}

export const NPY_MAGIC = "\u0093NUMPY";
/** NumPy itself asks before it reads headers over 10,000 bytes. */
const MAX_HEADER_BYTES = 1024 * 1024;
/** NumPy allows 64. */
const MAX_AXES = 64;
/** Dots and brackets of the text of a type. */
const MAX_FIELDS = 10_000;

/**
 * The length of the header with all that is before it, from the first 12 bytes of an array of `size` bytes. Throws
 * `malformed`, and `unsupported` for versions that are not known.
 */
export function npyHeaderBytes(head: Uint8Array, size: number): number {
  if (head.length < 12 || latin1(head, 0, 6) !== NPY_MAGIC) {
    throw new RiffleError("malformed", "the .npy file does not begin as one");
  }
  const [version = 0] = head.subarray(6, 7);
  if (version < 1 || version > 3) throw new RiffleError("unsupported", `.npy version ${version} is not known`);
  const view = viewOf(head);
  const length = version === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  if (length > size) throw new RiffleError("malformed", `the .npy header would end behind the file, at ${length}`);
  if (length > MAX_HEADER_BYTES) throw new RiffleError("malformed", `the .npy header would have ${length} bytes`);
  return length;
}

/** The header in `bytes`, which end where it does. `size` is that of the whole array. Throws `malformed`. */
export function parseNpyHeader(bytes: Uint8Array, size: number): NpyArray {
  const [version = 0] = bytes.subarray(6, 7);
  const start = version === 1 ? 10 : 12;
  const text = version === 3 ? validUtf8(bytes.subarray(start)) : latin1(bytes, start);
  if (text === undefined) throw new RiffleError("malformed", "the .npy header is not UTF-8");
  const header = parseLiteral(text.trim());
  const fields = header instanceof Map ? (header as ReadonlyMap<string, Literal>) : new Map<string, Literal>();
  const descr = fields.get("descr");
  const isFortran = fields.get("fortran_order");
  const shape = lengths(fields.get("shape"));
  if (descr === undefined || typeof isFortran !== "boolean" || shape === undefined || fields.size !== 3) {
    throw new RiffleError("malformed", "the .npy header does not hold descr, fortran_order and shape as it must");
  }
  const type = typeOf(descr);
  const count = elementCount(shape);
  const room = size - bytes.length;
  if (typeof type !== "function" && (count === undefined || count * type.itemBytes > room)) {
    throw new RiffleError(
      "malformed",
      `the .npy file has ${room} bytes of data, too few for shape [${shape.join(", ")}]`,
    );
  }
  return {
    version,
    descr: typeof descr === "string" ? descr : pythonText(descr),
    type,
    shape,
    order: isFortran ? "F" : "C",
    dataOffset: bytes.length,
  };
}

function lengths(value: Literal | undefined): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const all: readonly Literal[] = value;
  const sound = all.filter((one): one is number => typeof one === "number" && Number.isSafeInteger(one) && one >= 0);
  return sound.length === all.length && all.length <= MAX_AXES ? sound : undefined;
}

/** What is sound, but of a kind that is not read, is an error only when it is read. */
function typeOf(descr: Literal): NpyArray["type"] {
  if (typeof descr === "string" && /^[|<>=]?O\d*$/.test(descr)) {
    return () =>
      new RiffleError("unsupported", `the array holds pickled objects (type ${descr}), which are never loaded`);
  }
  if (typeof descr === "string") return numpyType(descr);
  const fields = { bytes: 0, count: 0, swapped: new Array<SwappedWords>() };
  addFields(descr, fields);
  return { dtype: `|V${fields.bytes}`, itemBytes: Math.max(1, fields.bytes), swapped: fields.swapped };
}

/** `[(name, type), (name, type, shape), (name, [fields])]`. */
function addFields(descr: Literal, sum: { bytes: number; count: number; readonly swapped: SwappedWords[] }): void {
  if (typeof descr === "string") {
    const { itemBytes, swapped } = numpyType(descr);
    sum.swapped.push(...swapped.map((words) => ({ ...words, at: words.at + sum.bytes })));
    sum.bytes += itemBytes;
    sum.count += 1;
    if (sum.count > MAX_FIELDS) throw new RiffleError("unsupported", `an element of more than ${MAX_FIELDS} fields`);
    return;
  }
  const fields: readonly Literal[] = Array.isArray(descr) ? descr : [];
  if (fields.length === 0) throw new RiffleError("malformed", "the .npy header describes a type without fields");
  for (const field of fields) {
    const [, type, shape] = Array.isArray(field) ? (field as readonly Literal[]) : [];
    const each = lengths(shape ?? []) ?? (typeof shape === "number" ? [shape] : undefined);
    const count = each === undefined ? undefined : elementCount(each);
    if (type === undefined || count === undefined || count > MAX_FIELDS) {
      throw new RiffleError("malformed", "the .npy header describes a field that is no name, type and shape");
    }
    for (let i = 0; i < count; i += 1) addFields(type, sum);
  }
}

/** Tuples again where a field is: the text that NumPy takes back. */
function pythonText(value: Literal, isField = false): string {
  if (typeof value === "string") return `'${value.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
  if (!Array.isArray(value)) return typeof value === "object" ? "None" : String(value);
  const items = (value as readonly Literal[]).map((item) => pythonText(item, !isField));
  return isField ? `(${items.join(", ")}${items.length === 1 ? "," : ""})` : `[${items.join(", ")}]`;
}
