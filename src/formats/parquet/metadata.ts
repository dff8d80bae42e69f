import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { CODECS, ENCODINGS } from "./names.ts";
import { readElement, schemaTree, type SchemaNode } from "./schema.ts";
import { THRIFT, ThriftReader } from "./thrift.ts";

/** One column of one row group. */
export interface ColumnChunk {
  /** Dictionary page and data pages. */
  readonly range: ByteRange;
  readonly codec: string;
  readonly encodings: readonly string[];
  readonly values: number;
  readonly uncompressedBytes: number;
  readonly columnIndex: ByteRange | undefined;
  readonly offsetIndex: ByteRange | undefined;
  /** `length` is undefined where the writer did not say. */
  readonly bloom: { readonly start: number; readonly length: number | undefined } | undefined;
  readonly encrypted: boolean;
  /** Where ColumnMetaData, and in it Statistics and GeospatialStatistics, lie in the footer. */
  readonly raw: ByteRange;
  readonly statistics: ByteRange | undefined;
  readonly geoStatistics: ByteRange | undefined;
}

export interface RowGroup {
  readonly rows: number;
  /** Of the column chunks, compressed. */
  readonly bytes: number;
  /** By ordinal of the leaf column. */
  readonly chunks: readonly ColumnChunk[];
}

export interface ParquetMetadata {
  readonly footer: Uint8Array;
  readonly version: number;
  readonly rows: number;
  readonly root: SchemaNode;
  readonly rowGroups: readonly RowGroup[];
  readonly keyValues: readonly { readonly key: string; readonly value: string | undefined; readonly raw: ByteRange }[];
  readonly createdBy: string | undefined;
  /** By ordinal of the leaf: whether `min_value` and `max_value` follow the order of the type. */
  readonly typeOrder: readonly boolean[];
}

/** Checks what everything else relies on: chunks lie in `size` bytes, each row group has a chunk of each leaf. */
export function parseMetadata(footer: Uint8Array, size: number): ParquetMetadata {
  const reader = new ThriftReader(footer);
  const out: { -readonly [key in keyof ParquetMetadata]?: ParquetMetadata[key] } = {};
  reader.struct((id, type) => {
    if (id === 1 && type === THRIFT.i32) out.version = reader.zigzag();
    else if (id === 2 && type === THRIFT.list) out.root = schemaTree(reader.list(() => readElement(reader)));
    else if (id === 3 && type === THRIFT.i64) out.rows = reader.zigzag();
    else if (id === 4 && type === THRIFT.list) out.rowGroups = reader.list(() => readRowGroup(reader, size));
    else if (id === 5 && type === THRIFT.list) out.keyValues = reader.list(() => readKeyValue(reader));
    else if (id === 6 && type === THRIFT.binary) out.createdBy = reader.string();
    else if (id === 7 && type === THRIFT.list) out.typeOrder = reader.list(() => readOrder(reader));
    else return false;
    return true;
  });
  const { root, rowGroups = [] } = out;
  if (root === undefined) throw new RiffleError("malformed", "this Parquet file has no schema");
  const rows = rowGroups.reduce((total, group) => total + group.rows, 0);
  checkShape({ root, rowGroups, said: out.rows ?? 0, rows });
  return {
    footer,
    version: out.version ?? 0,
    rows,
    root,
    rowGroups,
    keyValues: out.keyValues ?? [],
    createdBy: out.createdBy,
    typeOrder: out.typeOrder ?? [],
  };
}

/** What Arrow can number in one batch. */
const MAX_GROUP_ROWS = 2 ** 31 - 1;

interface Shape extends Pick<ParquetMetadata, "root" | "rowGroups" | "rows"> {
  readonly said: number;
}

function checkShape({ root, rowGroups, rows, said }: Shape): void {
  const odd = rowGroups.findIndex(({ chunks }) => chunks.length !== root.leaves);
  if (odd >= 0) {
    const found = rowGroups[odd]?.chunks.length ?? 0;
    throw new RiffleError("malformed", `row group ${odd} has ${found} column chunks for ${root.leaves} columns`);
  }
  // Some writers leave the sum at 0; the row groups then know.
  if (said !== rows && said !== 0) {
    throw new RiffleError(
      "malformed",
      `the row groups of this Parquet file have ${rows} rows, its footer says ${said}`,
    );
  }
}

function readRowGroup(reader: ThriftReader, size: number): RowGroup {
  let rows = 0;
  let chunks: readonly ColumnChunk[] = [];
  reader.struct((id, type) => {
    if (id === 1 && type === THRIFT.list) chunks = reader.list(() => readChunk(reader, size));
    else if (id === 3 && type === THRIFT.i64) rows = reader.zigzag();
    else return false;
    return true;
  });
  if (!(rows >= 0 && rows <= MAX_GROUP_ROWS)) {
    throw new RiffleError("malformed", `a row group of this Parquet file has ${rows} rows`);
  }
  return { rows, bytes: chunks.reduce((sum, { range }) => sum + range.end - range.start, 0), chunks };
}

function readChunk(reader: ThriftReader, size: number): ColumnChunk {
  const numbers: number[] = [];
  let encrypted = false;
  let metadata: ChunkMetadata | undefined;
  reader.struct((id, type) => {
    if (id === 1 && type === THRIFT.binary) refuseOtherFile(reader.string());
    else if (id === 3 && type === THRIFT.struct) metadata = readChunkMetadata(reader);
    else if (id >= 4 && id <= 7 && (type === THRIFT.i64 || type === THRIFT.i32)) numbers[id] = reader.zigzag();
    else {
      encrypted ||= id === 8 || id === 9;
      return false;
    }
    return true;
  });
  if (metadata === undefined) {
    if (!encrypted) throw new RiffleError("malformed", "a column chunk of this Parquet file has no metadata");
    return HIDDEN_CHUNK;
  }
  const { numbers: own, codec, ...rest } = metadata;
  const dictionary = own[11] ?? 0;
  const data = own[9] ?? 0;
  const start = dictionary > 0 && dictionary < data ? dictionary : data;
  const range = { start, end: start + (own[7] ?? 0) };
  const inFile = (at: ByteRange): boolean =>
    Number.isSafeInteger(at.start) &&
    Number.isSafeInteger(at.end) &&
    at.start >= 0 &&
    at.start <= at.end &&
    at.end <= size;
  if (!inFile(range)) {
    throw new RiffleError("malformed", `a column chunk [${range.start}, ${range.end}) lies outside of the file`);
  }
  const part = (from: number | undefined, length: number | undefined): ByteRange | undefined => {
    const at = { start: from ?? 0, end: (from ?? 0) + (length ?? 0) };
    return at.start > 0 && at.end > at.start && inFile(at) ? at : undefined;
  };
  const bloom = own[14];
  return {
    ...rest,
    range,
    codec: CODECS[codec] ?? `#${codec}`,
    values: count(own[5]),
    uncompressedBytes: count(own[6]),
    offsetIndex: part(numbers[4], numbers[5]),
    columnIndex: part(numbers[6], numbers[7]),
    bloom: bloom !== undefined && inFile({ start: bloom, end: bloom }) ? { start: bloom, length: own[15] } : undefined,
    encrypted,
  };
}

const NOWHERE: ByteRange = { start: 0, end: 0 };
/** A chunk whose metadata is encrypted. */
const HIDDEN_CHUNK: ColumnChunk = {
  range: NOWHERE,
  codec: "encrypted",
  encodings: [],
  values: 0,
  uncompressedBytes: 0,
  columnIndex: undefined,
  offsetIndex: undefined,
  bloom: undefined,
  encrypted: true,
  raw: NOWHERE,
  statistics: undefined,
  geoStatistics: undefined,
};

type ChunkMetadata = Pick<ColumnChunk, "raw" | "statistics" | "geoStatistics" | "encodings"> & {
  readonly numbers: readonly (number | undefined)[];
  readonly codec: number;
};

function readChunkMetadata(reader: ThriftReader): ChunkMetadata {
  const start = reader.position;
  const numbers: number[] = [];
  let encodings: readonly string[] = [];
  let statistics: ByteRange | undefined;
  let geoStatistics: ByteRange | undefined;
  reader.struct((id, type) => {
    if (type === THRIFT.i32 || type === THRIFT.i64) {
      const value = reader.zigzag();
      if (id >= 1 && id <= 15) numbers[id] = value;
    } else if (id === 2 && type === THRIFT.list) encodings = reader.list(() => encodingName(reader.zigzag()));
    else if (id === 12 && type === THRIFT.struct) statistics = reader.skipStruct();
    else if (id === 17 && type === THRIFT.struct) geoStatistics = reader.skipStruct();
    else return false;
    return true;
  });
  const raw = { start, end: reader.position };
  return { numbers, codec: numbers[4] ?? 0, encodings, statistics, geoStatistics, raw };
}

function readKeyValue(reader: ThriftReader): ParquetMetadata["keyValues"][number] {
  const start = reader.position;
  let key = "";
  let value: string | undefined;
  reader.struct((id, type) => {
    if (id === 1 && type === THRIFT.binary) key = reader.string();
    else if (id === 2 && type === THRIFT.binary) value = reader.string();
    else return false;
    return true;
  });
  return { key, value, raw: { start, end: reader.position } };
}

function readOrder(reader: ThriftReader): boolean {
  let typeDefined = false;
  reader.struct((id) => {
    typeDefined ||= id === 1;
    return false;
  });
  return typeDefined;
}

function encodingName(number: number): string {
  return ENCODINGS[number] ?? `#${number}`;
}

function count(value: number | undefined): number {
  if (value === undefined || !Number.isSafeInteger(value) || value < 0) {
    throw new RiffleError("malformed", `a column chunk of this Parquet file has the count ${value}`);
  }
  return value;
}

function refuseOtherFile(path: string): void {
  if (path !== "") throw new RiffleError("unsupported", `the data of this Parquet file lies in another one, "${path}"`);
}
