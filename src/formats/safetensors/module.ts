import type { RangeSource } from "../../bytes/source.ts";
import { isRiffleError, RiffleError } from "../../errors.ts";
import type { ArrayReader } from "../array.ts";
import { numpyType, type ElementType } from "../element-type.ts";
import { extentTable, NO_EXTENTS, type ExtentTable } from "../extents.ts";
import { flatArrayReader, type FlatArray } from "../flat-array.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readSafetensorsHeader, type SafetensorsHeader, type Tensor } from "./header.ts";

/** More are counted, not listed. */
const SHOWN_TENSORS = 1000;

const NUMPY_TYPES: Readonly<Record<string, string>> = {
  BOOL: "|b1",
  U8: "|u1",
  I8: "|i1",
  I16: "<i2",
  U16: "<u2",
  F16: "<f2",
  I32: "<i4",
  U32: "<u4",
  F32: "<f4",
  C64: "<c8",
  F64: "<f8",
  I64: "<i8",
  U64: "<u8",
};

/** What NumPy has no name for, as the libraries that add these types to it (ml_dtypes) call it. */
const OTHER_TYPES: Readonly<Record<string, readonly [dtype: string, itemBytes: number]>> = {
  BF16: ["bfloat16", 2],
  F8_E5M2: ["float8_e5m2", 1],
  F8_E4M3: ["float8_e4m3fn", 1],
  F8_E8M0: ["float8_e8m0fnu", 1],
  F8_E4M3FNUZ: ["float8_e4m3fnuz", 1],
  F8_E5M2FNUZ: ["float8_e5m2fnuz", 1],
};

/** Types whose elements share bytes have none. */
function elementType({ type }: Tensor): ElementType | undefined {
  const numpy = NUMPY_TYPES[type];
  if (numpy !== undefined) return numpyType(numpy);
  const [dtype, itemBytes] = OTHER_TYPES[type] ?? [];
  return dtype === undefined || itemBytes === undefined ? undefined : { dtype, itemBytes, swapped: [] };
}

/** Tensors in file order are a series: loaders read one after the other. */
function tensorExtents({ tensors }: SafetensorsHeader, size: number): ExtentTable {
  return extentTable(
    tensors.map(({ start, end }) => ({ start, end, series: 0 })),
    size,
  );
}

async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const { tensors, metadata, bytes } = await readSafetensorsHeader(source, options);
  const packed = tensors.filter((tensor) => elementType(tensor) === undefined);
  return {
    format: "safetensors",
    title: "safetensors",
    facts: {
      tensors: tensors.length,
      elements: tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0),
      headerBytes: bytes,
      dataBytes: source.size - bytes,
      metadata: Object.fromEntries(metadata),
      arrays: tensors
        .slice(0, SHOWN_TENSORS)
        .map(({ name, type, shape, start, end }) => ({ name, type, shape, bytes: end - start })),
    },
    notes: [
      ...(packed.length > 0
        ? [`${packed.length} tensors have elements smaller than a byte, which cannot be sliced`]
        : []),
      ...(tensors.length > SHOWN_TENSORS ? [`the first ${SHOWN_TENSORS} of ${tensors.length} tensors are shown`] : []),
    ],
  };
}

async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  try {
    return tensorExtents(await readSafetensorsHeader(source, options), source.size);
  } catch (error) {
    // A header that is longer than the caller will read.
    if (isRiffleError(error) && error.code === "unsupported") return NO_EXTENTS;
    throw error;
  }
}

async function array(source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> {
  const header = await readSafetensorsHeader(source, options);
  const arrays = header.tensors.map((tensor): FlatArray => {
    const { name, shape, start } = tensor;
    const type = elementType(tensor);
    const refusal = `tensor ${JSON.stringify(name)} has type ${tensor.type}, whose elements are no whole bytes`;
    return {
      info: { name, shape, dtype: type?.dtype ?? tensor.type.toLowerCase() },
      type: type ?? (() => new RiffleError("unsupported", refusal)),
      layout: { offset: start, shape, order: "C", itemBytes: type?.itemBytes ?? 1 },
    };
  });
  return flatArrayReader({
    format: "safetensors",
    source,
    arrays,
    indexBytes: header.bytes,
    extents: tensorExtents(header, source.size),
    options,
  });
}

export const safetensors: FormatModule = { info, extents, array };
