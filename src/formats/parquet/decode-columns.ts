import { makeData, RecordBatch, RecordBatchReader, Schema, Struct, type DataType } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import type { ReadOptions } from "../../bytes/source.ts";
import { readBytes, readRanges, type ColumnRead } from "./column-read.ts";
import { countRows, firstRows } from "./coverage.ts";
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

/** Columns of one row group in the same rows, which are fetched, and then decoded, together. */
export interface ColumnJob {
  readonly reads: readonly ColumnRead[];
  readonly fetched: Promise<void>;
}

interface Columns {
  readonly reads: readonly ColumnRead[];
  readonly held: HeldBytes;
}

/**
 * Uncompressed bytes of a job of more than one column: the first are decoded while others are on their way, and a decoder never holds
 * much at once. Half of it is what a job costs beside its bytes.
 */
const JOB_BYTES = 2 * 1024 * 1024;

/** Asks for the bytes of columns of one row group, all at once; what is held is not asked for again. */
export function fetchColumns(
  file: ParquetFile,
  { reads, held, options }: Columns & { readonly options: ReadOptions },
): readonly ColumnJob[] {
  return jobsOf(file, reads).map((job) => {
    const fetched = held.fetch(file.source, { ...options, ranges: readRanges(job) });
    // Whoever decodes it sees the failure; nobody may get so far.
    fetched.catch(() => undefined);
    return { reads: job, fetched };
  });
}

interface Decode {
  readonly held: HeldBytes;
  /** Rows behind the last of them are not decoded. */
  readonly wanted: readonly RowRange[];
  readonly signal?: AbortSignal | undefined;
}

/** Decodes jobs of one row group, each as soon as its bytes are there. */
export function decodeColumns(
  file: ParquetFile,
  { jobs, ...how }: Decode & { readonly jobs: readonly ColumnJob[] },
): Promise<readonly DecodedColumns[]> {
  return Promise.all(
    jobs.map(async ({ reads, fetched }) => {
      await fetched;
      return decodeJob(file, { reads, ...how });
    }),
  );
}

async function decodeJob(
  file: ParquetFile,
  { reads, held, wanted, signal }: Decode & { readonly reads: readonly ColumnRead[] },
): Promise<DecodedColumns> {
  const covered = firstRows(reads[0]?.covered ?? [], wanted.at(-1)?.end ?? 0);
  const take = countRows(covered);
  const mini = { ...miniFile(file, { reads, held }), take };
  const ipc = await file.thread.decode({ mini, what: `row group ${reads[0]?.group ?? 0}`, signal });
  const batch = batchOf(file, { ipc, leaves: leavesOfReads(reads), rows: take });
  return { tops: reads.map((read) => read.top), covered, batch };
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
    take: 0,
    maxBytes: file.maxBytes,
  };
  const ipc = await file.thread.decode({ mini, what: "the schema", signal });
  return batchOf(file, { ipc, leaves, rows: 0 }).schema;
}

function jobsOf(file: ParquetFile, reads: readonly ColumnRead[]): readonly (readonly ColumnRead[])[] {
  const jobs: { readonly key: string; bytes: number; readonly reads: ColumnRead[] }[] = [];
  for (const read of reads) {
    const key = read.covered.map(({ start, end }) => `${start}-${end}`).join();
    const bytes = uncompressedBytes(file, [read]);
    const open = jobs.find((job) => job.key === key && job.bytes + bytes <= JOB_BYTES);
    if (open === undefined) jobs.push({ key, bytes, reads: [read] });
    else {
      open.bytes += bytes;
      open.reads.push(read);
    }
  }
  return jobs.map((job) => job.reads);
}

/** About what reads are before compression: of a chunk of which pages are read, their share. */
function uncompressedBytes(file: ParquetFile, reads: readonly ColumnRead[]): number {
  const chunks = reads.flatMap(({ group, leaves }) => leaves.map(({ leaf }) => readableChunk(file, { group, leaf })));
  const stored = chunks.reduce((sum, { range }) => sum + range.end - range.start, 0);
  return (chunks.reduce((sum, chunk) => sum + chunk.uncompressedBytes, 0) * readBytes(reads)) / Math.max(1, stored);
}

/** What `reads` may be once decoded: an encoding can say much in few bytes. */
export function decodedBytes(file: ParquetFile, reads: readonly ColumnRead[]): number {
  const values = reads.reduce((sum, { covered, leaves }) => sum + countRows(covered) * leaves.length, 0);
  return Math.max(uncompressedBytes(file, reads), values * 8);
}

function leavesOfReads(reads: readonly ColumnRead[]): readonly number[] {
  return reads.flatMap((read) => read.leaves.map(({ leaf }) => leaf));
}

function miniFile(file: ParquetFile, { reads, held }: Columns): Omit<MiniFile, "take"> {
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
