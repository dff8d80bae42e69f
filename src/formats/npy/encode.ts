export interface NpyArray {
  /** As NumPy's `dtype.str`: `<f4`. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** The elements behind a header begin at a multiple of this. */
const ALIGNMENT = 64;

/** What stands before the elements, in C order, of an `.npy` file (NumPy, NEP 1; version 1.0). */
export function npyHeader({ dtype, shape }: NpyArray): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const length = Math.ceil((10 + text.length + 1) / ALIGNMENT) * ALIGNMENT - 10;
  const header = Buffer.alloc(10 + length, " ");
  header.set([...MAGIC, 1, 0]);
  header.writeUInt16LE(length, 8);
  header.write(text, 10, "latin1");
  header[header.length - 1] = 0x0a;
  return header;
}
