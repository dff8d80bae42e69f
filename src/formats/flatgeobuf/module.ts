import { ColumnType } from "flatgeobuf/lib/mjs/flat-geobuf/column-type.js";
import { GeometryType } from "flatgeobuf/lib/mjs/flat-geobuf/geometry-type.js";
import { rangeLength } from "../../bytes/range.ts";
import { extentTable } from "../extents.ts";
import type { Fact, FileInfo } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readHeader, type FlatgeobufHeader } from "./header.ts";
import { flatgeobufTable } from "./reader.ts";

export const flatgeobuf: FormatModule = {
  info: async (source, options): Promise<FileInfo> => {
    const header = await readHeader(source, options);
    const isIndexed = rangeLength(header.index) > 0;
    return {
      format: "flatgeobuf",
      title: "FlatGeobuf",
      facts: factsOf(header),
      notes: isIndexed ? [] : ["it has no index: a box is answered by reading every feature"],
    };
  },
  /** The index is read as one; features are of no fixed place without it. */
  extents: async (source, options) => {
    const { index } = await readHeader(source, options);
    return extentTable([{ ...index, series: -1 }], source.size);
  },
  table: flatgeobufTable,
};

function factsOf(header: FlatgeobufHeader): Readonly<Record<string, Fact>> {
  const { name, title, description, features, geometryType, hasZ, hasM, bounds, crs, nodeSize, columns, index } =
    header;
  return {
    ...(name === undefined ? {} : { name }),
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    features: features ?? null,
    geometry: GeometryType[geometryType] ?? null,
    dimensions: `XY${hasZ ? "Z" : ""}${hasM ? "M" : ""}`,
    bounds: bounds === undefined ? null : [bounds.west, bounds.south, bounds.east, bounds.north],
    crs: crs?.code ?? crs?.name ?? crs?.wkt ?? null,
    index: rangeLength(index) > 0 ? { bytes: rangeLength(index), nodeSize } : null,
    columns: columns.map((column) => ({ name: column.name, type: ColumnType[column.type] ?? null })),
  };
}
