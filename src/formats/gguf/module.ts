import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { ArrayReader } from "../array.ts";
import { numpyType, type ElementType } from "../element-type.ts";
import { extentTable, type ExtentTable } from "../extents.ts";
import { flatArrayReader, type FlatArray } from "../flat-array.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readGgufHeader, type GgufHeader, type GgufTensor } from "./header.ts";

/** More are counted, not listed. */
const SHOWN_TENSORS = 1000;

async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const { version, isBigEndian, alignment, bytes, values, tensors } = await readGgufHeader(source, options);
  const types = new Map<string, number>();
  for (const { type } of tensors) types.set(type.name, (types.get(type.name) ?? 0) + 1);
  return {
    format: "gguf",
    title: "GGUF",
    facts: {
      version,
      byteOrder: isBigEndian ? "big" : "little",
      alignment,
      headerBytes: bytes,
      values: Object.fromEntries(values),
      tensors: tensors.length,
      types: Object.fromEntries(types),
      arrays: tensors.slice(0, SHOWN_TENSORS).map(({ name, type, dimensions, start, end }) => ({
        name,
        type: type.name,
        dimensions,
        start,
        bytes: end - start,
      })),
    },
    notes: tensors.length > SHOWN_TENSORS ? [`the first ${SHOWN_TENSORS} of ${tensors.length} tensors are shown`] : [],
  };
}

/** Tensors are loaded one after the other, in the order of the file. */
function tensorExtents({ tensors }: GgufHeader, size: number): ExtentTable {
  return extentTable(
    tensors.map(({ start, end }) => ({ start, end, series: 0 })),
    size,
  );
}

async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  return tensorExtents(await readGgufHeader(source, options), source.size);
}

function elementType({ type }: GgufTensor, isBigEndian: boolean): ElementType | undefined {
  if (type.dtype === undefined) return undefined;
  if (type.dtype.startsWith("<") || type.dtype.startsWith("|")) {
    return numpyType(isBigEndian ? type.dtype.replace("<", ">") : type.dtype);
  }
  const swapped = isBigEndian ? [{ at: 0, width: type.blockBytes, count: 1 }] : [];
  return { dtype: type.dtype, itemBytes: type.blockBytes, swapped };
}

/** Tensors as NumPy sees them: the slowest axis first. Quantised ones and unknown types are refused by name when they are read. */
async function array(source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> {
  const header = await readGgufHeader(source, options);
  const arrays = header.tensors.map((tensor): FlatArray => {
    const type = elementType(tensor, header.isBigEndian);
    const shape = tensor.dimensions.toReversed();
    const refusal = `tensor ${JSON.stringify(tensor.name)} is of ${tensor.type.name}, which is not decoded`;
    return {
      info: { name: tensor.name, shape, dtype: type?.dtype ?? tensor.type.name },
      type: type ?? (() => new RiffleError("unsupported", refusal)),
      layout: { offset: tensor.start, shape, order: "C", itemBytes: tensor.type.blockBytes },
    };
  });
  const extentsOfAll = tensorExtents(header, source.size);
  return flatArrayReader({ format: "gguf", source, arrays, indexBytes: header.bytes, extents: extentsOfAll, options });
}

export const gguf: FormatModule = { info, extents, array };
