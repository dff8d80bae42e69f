import type { RangeSource } from "../../bytes/source.ts";
import { extentTable, type Extent, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readClassicHeader, type ClassicHeader, type ClassicVariable } from "./header.ts";

const SHOWN_VARIABLES = 500;
/** For the mount: headers are mostly a few KiB. */
const EXTENT_HEADER_BYTES = 4 * 1024 * 1024;
/** Records of which each variable's part is an extent; more would be a table of small units. */
const MAX_RECORD_EXTENTS = 200_000;

/** One record: the parts of all record variables, each filled up to four bytes, unless it is the only one. */
function recordBytesOf(header: ClassicHeader): number {
  const parts = header.variables.filter(({ isRecord }) => isRecord);
  if (parts.length === 1) return parts[0]?.bytes ?? 0;
  return parts.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 4) * 4, 0);
}

function variableFact({ name, type, dimensions, bytes, isRecord }: ClassicVariable, header: ClassicHeader): Fact {
  const named = dimensions.map((id) => header.dimensions[id]);
  return {
    name,
    type,
    dimensions: named.map((dimension) => dimension?.name ?? ""),
    shape: named.map((dimension) => (dimension?.length === 0 ? (header.records ?? null) : (dimension?.length ?? 0))),
    [isRecord ? "bytesPerRecord" : "bytes"]: bytes,
  };
}

function notesOf(header: ClassicHeader, size: number): readonly string[] {
  const recordBytes = recordBytesOf(header);
  const ends = header.variables.map(({ begin, bytes, isRecord }) =>
    isRecord
      ? begin + Math.max(0, (header.records ?? 0) - 1) * recordBytes + (header.records === 0 ? 0 : bytes)
      : begin + bytes,
  );
  const isRecorded = header.variables.filter(({ isRecord }) => isRecord).length > 1;
  return [
    ...(ends.some((end) => !(end <= size)) ? ["cut short: variables would end behind the end of the file"] : []),
    ...(isRecorded ? ["record variables are interleaved: reading all of one of them touches every record"] : []),
    ...(header.records === undefined ? ["the number of records was never written: its writer did not finish"] : []),
    ...(header.variables.length > SHOWN_VARIABLES
      ? [`the first ${SHOWN_VARIABLES} of ${header.variables.length} variables are shown`]
      : []),
  ];
}

async function info(source: RangeSource, options?: FormatOptions): Promise<FileInfo> {
  const header = await readClassicHeader(source, options);
  const attributesOf = header.variables
    .slice(0, SHOWN_VARIABLES)
    .filter(({ attributes }) => Object.keys(attributes).length > 0)
    .map(({ name, attributes }) => [name, attributes] as const);
  return {
    format: "netcdf-classic",
    title: "NetCDF classic",
    facts: {
      version: `CDF-${header.version}`,
      records: header.records ?? null,
      headerBytes: header.bytes,
      dimensions: header.dimensions.map(({ name, length }) => ({
        name,
        length: length === 0 ? (header.records ?? null) : length,
        ...(length === 0 && { unlimited: true }),
      })),
      variables: header.variables.slice(0, SHOWN_VARIABLES).map((variable) => variableFact(variable, header)),
      attributes: header.attributes,
      variableAttributes: Object.fromEntries(attributesOf),
    },
    notes: notesOf(header, source.size),
  };
}

/** A variable, or its part of one record: parts of one variable are a series. */
async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  const maxBytes = Math.min(options.maxBytes ?? EXTENT_HEADER_BYTES, EXTENT_HEADER_BYTES);
  const header = await readClassicHeader(source, { ...options, maxBytes });
  const recordBytes = recordBytesOf(header);
  const units: Extent[] = [{ start: 0, end: header.bytes, series: -1 }];
  const recordVariables = header.variables.filter(({ isRecord }) => isRecord).length;
  const fits = (header.records ?? 0) * recordVariables <= MAX_RECORD_EXTENTS;
  for (const [series, { begin, bytes, isRecord }] of header.variables.entries()) {
    const count = isRecord ? (fits ? (header.records ?? 0) : 0) : 1;
    for (let record = 0; record < count; record += 1) {
      const start = begin + record * recordBytes;
      if (start >= source.size) break;
      units.push({ start, end: start + bytes, series });
    }
  }
  return extentTable(units, source.size);
}

export const netcdfClassic: FormatModule = { info, extents };
