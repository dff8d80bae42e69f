import { RiffleError } from "../../errors.ts";

export interface NpyHeader {
  /** As NumPy's `dtype.str`, or the list of fields of a structured type as Python would write it. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** The data begins on a multiple of this, so that it can be mapped. */
const ALIGNMENT = 64;
const MAX_V1_BYTES = 65_535;

/**
 * The bytes before the elements of a `.npy` file, which follow in C order: version 1.0, or 2.0 where the header is too long
 * for that (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Types that NumPy does not have
 * (`bfloat16`, strings of any length) are `unsupported`.
 */
export function npyHeader({ dtype, shape }: NpyHeader): Uint8Array {
  const structured = /^\[\(.*\)\]$/.test(dtype);
  if (!structured && !/^[<>|][a-zA-Z]\d+(\[\w+\])?$/.test(dtype)) {
    throw new RiffleError("unsupported", `.npy has no type for ${dtype}`);
  }
  const extent = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': ${structured ? dtype : `'${dtype}'`}, 'fortran_order': False, 'shape': ${extent}, }`;
  const short = paddedLength(10, text.length);
  const isShort = short <= MAX_V1_BYTES;
  const length = isShort ? short : paddedLength(12, text.length);
  const start = isShort ? 10 : 12;
  const header = Buffer.alloc(start + length, " ", "latin1");
  header.write("\u0093NUMPY", "latin1");
  header[6] = isShort ? 1 : 2;
  header[7] = 0;
  if (isShort) header.writeUInt16LE(length, 8);
  else header.writeUInt32LE(length, 8);
  header.write(text, start, "latin1");
  header[header.length - 1] = 0x0a;
  return new Uint8Array(header.buffer, header.byteOffset, header.length);
}

/** Of the text with its padding and the line feed that ends it. */
function paddedLength(start: number, text: number): number {
  return Math.ceil((start + text + 1) / ALIGNMENT) * ALIGNMENT - start;
}
