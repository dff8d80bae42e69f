import type { ElementType, SwappedWords } from "../element-type.ts";
import type { Hdf5Type } from "./protocol.ts";

/** What the library tells of a type, as far as it is used. */
export interface LibraryType {
  readonly type: number;
  readonly size: number;
  readonly signed: boolean;
  readonly littleEndian: boolean;
  readonly vlen: boolean;
  readonly compound_type?: {
    readonly members: readonly (LibraryType & { readonly name: string; readonly offset: number })[];
  };
  readonly array_type?: LibraryType & { readonly shape: readonly number[] | null };
  readonly enum_type?: { readonly type: number; readonly members: Readonly<Record<string, number>> };
  readonly vlen_type?: unknown;
}

const INTEGER = 0;
const FLOAT = 1;
const STRING = 3;
const BITFIELD = 4;
const OPAQUE = 5;
const COMPOUND = 6;
const ENUM = 8;
const ARRAY = 10;

const NAMES: Readonly<Record<number, string>> = { 2: "a time", 7: "a reference", 9: "a sequence of any length" };
const MAX_ITEM_BYTES = 16 * 1024 * 1024;

/** An HDF5 type as NumPy's, the way h5py maps them: a pair of equal floats named r and i is a complex number. */
export function hdf5Type(given: LibraryType): Hdf5Type {
  if (given.type === STRING && given.vlen) return { kind: "text" };
  if (given.type === ARRAY && given.array_type !== undefined) {
    const element = hdf5Type(given.array_type);
    const own = given.array_type.shape ?? [];
    return element.kind === "fixed" ? { ...element, inner: [...own, ...element.inner] } : element;
  }
  const type = elementType(given);
  if (type !== undefined && type.itemBytes > 0 && type.itemBytes <= MAX_ITEM_BYTES)
    return { kind: "fixed", type, inner: [] };
  return {
    kind: "unsupported",
    why: `its elements are of HDF5 class ${NAMES[given.type] ?? given.type}, ${given.size} bytes`,
  };
}

function elementType(given: LibraryType): ElementType | undefined {
  const { type, size, signed, littleEndian } = given;
  const swapped = (width: number): readonly SwappedWords[] =>
    littleEndian || width === 1 ? [] : [{ at: 0, width, count: size / width }];
  const number = (kind: string): ElementType => ({
    dtype: `${size === 1 ? "|" : "<"}${kind}${size}`,
    itemBytes: size,
    swapped: swapped(size),
  });
  const isInteger = [1, 2, 4, 8].includes(size);
  if (type === ENUM) {
    const { members = {} } = given.enum_type ?? {};
    const isBoolean =
      size === 1 && members["FALSE"] === 0 && members["TRUE"] === 1 && Object.keys(members).length === 2;
    return isBoolean ? number("b") : isInteger ? number(signed ? "i" : "u") : undefined;
  }
  if (type === INTEGER) return isInteger ? number(signed ? "i" : "u") : undefined;
  if (type === BITFIELD) return isInteger ? number("u") : undefined;
  if (type === FLOAT) return [2, 4, 8].includes(size) ? number("f") : undefined;
  if (type === STRING) return { dtype: `|S${size}`, itemBytes: size, swapped: [] };
  if (type === OPAQUE) return { dtype: `|V${size}`, itemBytes: size, swapped: [] };
  return type === COMPOUND ? compoundType(given) : undefined;
}

function compoundType({ compound_type: compound, size }: LibraryType): ElementType | undefined {
  const members = compound?.members ?? [];
  const [real, imaginary, third] = members;
  const isComplex =
    third === undefined &&
    real?.type === FLOAT &&
    imaginary?.type === FLOAT &&
    real.name === "r" &&
    imaginary.name === "i" &&
    real.size === imaginary.size &&
    real.size * 2 === size &&
    (real.size === 4 || real.size === 8);
  const swapped: SwappedWords[] = [];
  for (const member of members) {
    const found = hdf5Type(member);
    if (found.kind !== "fixed") return undefined;
    const count = found.inner.reduce((product, length) => product * length, 1);
    if (found.type.swapped.length > 0 && swapped.length + count > 10_000) return undefined;
    for (let i = 0; i < count && found.type.swapped.length > 0; i += 1) {
      const at = member.offset + i * found.type.itemBytes;
      swapped.push(...found.type.swapped.map((words) => ({ ...words, at: words.at + at })));
    }
  }
  return { dtype: isComplex ? `<c${size}` : `|V${size}`, itemBytes: size, swapped };
}
