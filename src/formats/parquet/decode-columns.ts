import { makeData, RecordBatch, RecordBatchReader, Schema, Struct, type DataType } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import type { ColumnRead } from "./column-read.ts";
import { countRows } from "./coverage.ts";
import type { RowRange } from "./column-index.ts";
import { emptyBatch } from "./empty-batch.ts";
import type { HeldBytes } from "./held-bytes.ts";
import { int96Column, int96ColumnType } from "./int96.ts";
import { MINI_START, type MiniColumn, type MiniFile } from "./mini-file.ts";
import { miniSchema } from "./mini-schema.ts";
import { leafNode, readableChunk, type ParquetFile } from "./parquet-file.ts";

/** Top-level columns of one row group, in the rows that `covered` has. */
export interface DecodedColumns {
  readonly tops: readonly number[];
  readonly covered: readonly RowRange[];
  readonly batch: RecordBatch;
}

interface Decode {
  readonly held: HeldBytes;
  readonly signal?: AbortSignal | undefined;
}

/** Columns that decode to more together are decoded one after the other: the decoder holds all of a job at once. */
const JOB_BYTES = 128 * 1024 * 1024;

/** Decodes reads of one row group; those that cover the same rows come together. */
export async function decodeColumns(
  file: ParquetFile,
  { reads, held, signal }: Decode & { readonly reads: readonly ColumnRead[] },
): Promise<readonly DecodedColumns[]> {
  const decoded: DecodedColumns[] = [];
  for (const job of jobsOf(file, reads)) {
    const mini = miniFile(file, { reads: job, held });
    const group = job[0]?.group ?? 0;
    const ipc = await file.thread.decode({ mini, what: `row group ${group}`, signal });
    const batch = batchOf(file, { ipc, leaves: leavesOfReads(job), rows: mini.rows });
    decoded.push({ tops: job.map((read) => read.top), covered: job[0]?.covered ?? [], batch });
  }
  return decoded;
}

/** The columns of a file in Arrow's types, from a file without rows. */
export async function decodeSchema(file: ParquetFile, signal?: AbortSignal): Promise<Schema> {
  const leaves = file.leaves.map((_, leaf) => leaf);
  if (leaves.length === 0) return new Schema([]);
  const body = new Uint8Array(MINI_START);
  const mini: MiniFile = {
    body,
    columns: [],
    ...miniSchema(file.metadata, new Set(leaves)),
    createdBy: "",
    rows: 0,
    maxBytes: file.maxBytes,
  };
  const ipc = await file.thread.decode({ mini, what: "the schema", signal });
  return batchOf(file, { ipc, leaves, rows: 0 }).schema;
}

function jobsOf(file: ParquetFile, reads: readonly ColumnRead[]): readonly (readonly ColumnRead[])[] {
  const jobs: { readonly key: string; bytes: number; readonly reads: ColumnRead[] }[] = [];
  for (const read of reads) {
    const key = read.covered.map(({ start, end }) => `${start}-${end}`).join();
    const bytes = read.leaves.reduce(
      (sum, { leaf }) => sum + readableChunk(file, { group: read.group, leaf }).uncompressedBytes,
      0,
    );
    const open = jobs.find((job) => job.key === key && job.bytes + bytes <= JOB_BYTES);
    if (open === undefined) jobs.push({ key, bytes, reads: [read] });
    else {
      open.bytes += bytes;
      open.reads.push(read);
    }
  }
  return jobs.map((job) => job.reads);
}

function leavesOfReads(reads: readonly ColumnRead[]): readonly number[] {
  return reads.flatMap((read) => read.leaves.map(({ leaf }) => leaf));
}

function miniFile(file: ParquetFile, { reads, held }: Decode & { readonly reads: readonly ColumnRead[] }): MiniFile {
  const parts = reads.flatMap((read) => read.leaves);
  const group = reads[0]?.group ?? 0;
  const size = parts.flatMap((part) => part.ranges).reduce((sum, { start, end }) => sum + end - start, MINI_START);
  const body = new Uint8Array(size);
  let at = MINI_START;
  const columns = parts.map(({ leaf, whole, ranges }): MiniColumn => {
    const start = at;
    for (const range of ranges) {
      const bytes = held.get(range);
      body.set(bytes, at);
      at += bytes.length;
    }
    const chunk = readableChunk(file, { group, leaf });
    const node = leafNode(file, leaf);
    return {
      what: `column "${node.name}" of row group ${group}`,
      start,
      end: at,
      metadata: file.metadata.footer.slice(chunk.raw.start, chunk.raw.end),
      values: whole ? chunk.values : undefined,
      flat: !file.repeated.has(leaf),
      int96: node.physical === "INT96",
    };
  });
  const schema = miniSchema(file.metadata, new Set(leavesOfReads(reads)));
  const rows = countRows(reads[0]?.covered ?? []);
  return { body, columns, ...schema, createdBy: file.metadata.createdBy ?? "", rows, maxBytes: file.maxBytes };
}

interface Decoded {
  readonly ipc: Uint8Array;
  readonly leaves: readonly number[];
  readonly rows: number;
}

function batchOf(file: ParquetFile, { ipc, leaves, rows }: Decoded): RecordBatch {
  const reader = RecordBatchReader.from(ipc).open();
  // The reader forgets it at its end.
  const { schema } = reader;
  const batches = [...reader];
  const found = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const [first] = batches;
  // Without rows, Arrow's reader makes up a batch that does not hold together.
  const batch = found === 0 || first === undefined ? emptyBatch(schema) : first;
  if (found !== rows || batches.length > 1) {
    throw new RiffleError(
      "malformed",
      `a row group of this Parquet file decodes to ${found} rows where it has ${rows}`,
    );
  }
  if (!leaves.some((leaf) => leafNode(file, leaf).physical === "INT96")) return batch;
  return withTimes(file, { batch, leaves });
}

/** INT96 came as bytes. */
function withTimes(
  file: ParquetFile,
  { batch, leaves }: { readonly batch: RecordBatch; readonly leaves: readonly number[] },
): RecordBatch {
  let next = 0;
  const columns = batch.schema.fields.map((field, at) => {
    const own = leaves.slice(next).filter((leaf, _, [first = leaf]) => file.tops[leaf] === file.tops[first]);
    next += own.length;
    const isInt96 = (leaf: number): boolean => leafNode(file, own[leaf] ?? 0).physical === "INT96";
    const how = { isInt96, fromSpark: file.fromSpark };
    const type = int96ColumnType(field.type as DataType, how);
    const data = batch.data.children[at];
    return {
      field: field.clone({ type }),
      data: data === undefined ? undefined : int96Column(data, { ...how, type, what: `column "${field.name}"` }),
    };
  });
  const schema = new Schema(
    columns.map(({ field }) => field),
    batch.schema.metadata,
  );
  const children = columns.flatMap(({ data }) => data ?? []);
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children }),
  );
}
