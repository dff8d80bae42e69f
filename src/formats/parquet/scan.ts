import { makeData, RecordBatch, Struct, type Schema } from "apache-arrow";
import type { ReadOptions } from "../../bytes/source.ts";
import { ahead } from "./ahead.ts";
import { columnReads, readBytes, type ColumnRead, type GroupRows } from "./column-read.ts";
import { countRows, rowNumbers, rowRanges } from "./coverage.ts";
import { decodeColumns, decodedBytes, fetchColumns, type ColumnJob } from "./decode-columns.ts";
import { emptyBatch } from "./empty-batch.ts";
import { extractField } from "./extract-field.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { TypedFile } from "./parquet-file.ts";
import { prune } from "./prune.ts";
import { lateColumns, takesAll, type ParquetQuery } from "./query.ts";
import { chosenRows, columnsOfRows, earlyRows, keptColumns, lateRows, type RowColumns } from "./row-filter.ts";

/** Bytes that are under way or wait to be decoded. A larger row group comes alone. */
const FETCH_BYTES = 32 * 1024 * 1024;
/** A row group at a time is decoded, or as many as come to no more than this. */
const DECODED_BYTES = 32 * 1024 * 1024;

interface Scan {
  readonly query: ParquetQuery;
  /** Of the batches. */
  readonly schema: Schema;
  /** How many bytes that may turn out to be unwanted are worth a round trip. */
  readonly roundTripBytes: number;
  readonly options: ReadOptions;
}

/** A row group whose bytes are on their way. */
interface Work extends GroupRows {
  readonly reads: readonly ColumnRead[];
  readonly jobs: readonly ColumnJob[];
  readonly held: HeldBytes;
  /** What was decoded before, in the wanted rows. */
  readonly before: RowColumns | undefined;
}

/** Decoded columns of a row group in the wanted rows, and which of these may come out (undefined: all). */
interface Found {
  readonly work: Work;
  readonly columns: RowColumns;
  readonly kept: Uint32Array | undefined;
}

/**
 * The rows of a query, a batch for each row group that has any. The columns that decide are read first and the others where rows are
 * left, unless all of them cost less than the round trip between. A query without rows gives one empty batch, for its columns.
 */
export async function* scanRows(file: TypedFile, scan: Scan): AsyncGenerator<RecordBatch, void, undefined> {
  const { query, schema } = scan;
  let left = query.limit;
  let given = 0;
  const { groups } = left > 0 ? await prune(file, { query, ...scan.options }) : { groups: [] };
  // A limit may be reached soon: then few row groups first, and nothing ahead.
  for (const part of takesAll(query) || query.limit === Infinity ? [groups] : growing(groups)) {
    for await (const found of foundRows(file, { ...scan, groups: part, left })) {
      const batch = outputBatch(found, { query, schema, left });
      if (batch.numRows === 0) continue;
      left -= batch.numRows;
      given += 1;
      yield batch;
      if (left <= 0) return;
    }
  }
  if (given === 0) yield emptyBatch(schema);
}

type Part = Scan & { readonly groups: readonly GroupRows[]; readonly left: number };

async function* foundRows(file: TypedFile, scan: Part): AsyncGenerator<Found, void, undefined> {
  const { query, groups } = scan;
  const unsure = query.late.filter((leaf) => !query.early.includes(leaf));
  const bytes = groups.reduce((sum, group) => sum + readBytes(columnReads(file, { ...group, leaves: unsure })), 0);
  const isTogether = query.early.length > 0 && bytes <= scan.roundTripBytes;
  const all = [...new Set([...query.early, ...query.late])];
  if (takesAll(query) || isTogether) {
    const works = fetchedAhead(file, { ...scan, leaves: all });
    yield* decodedAhead(file, { scan, works, choose: (columns) => chosenRows(file, { query, columns }) });
    return;
  }
  const early = fetchedAhead(file, { ...scan, leaves: query.early });
  const choose = (columns: RowColumns): Uint32Array => earlyRows(file, { query, columns });
  // A condition that looks at no column is the same for all rows.
  const only = query.early.length === 0 ? { wanted: [{ start: 0, end: 1 }] } : {};
  const deciding = decodedAhead(file, { scan, works: early, choose, ...only });
  const { tops, leaves } = lateColumns(file, query);
  const works = fetchedAhead(file, { ...scan, groups: survivors(deciding, { query, left: scan.left, tops }), leaves });
  yield* decodedAhead(file, { scan, works, choose: (columns) => lateRows({ query, columns }) });
}

type Waiting = GroupRows & Partial<Pick<Work, "held" | "before">>;

/** Row groups whose bytes were asked for, a few ahead. */
function fetchedAhead(
  file: TypedFile,
  scan: Pick<Scan, "options"> & {
    readonly groups: Iterable<Waiting> | AsyncIterable<Waiting>;
    readonly leaves: readonly number[];
  },
): AsyncIterable<Work> {
  const { options, leaves } = scan;
  const readsOf = (group: GroupRows): readonly ColumnRead[] => columnReads(file, { ...group, leaves });
  return ahead(scan.groups, {
    weigh: (group) => readBytes(readsOf(group)),
    most: FETCH_BYTES,
    run: async ({ held = new HeldBytes(), before, ...group }): Promise<Work> => {
      const reads = readsOf(group);
      return { ...group, reads, held, before, jobs: fetchColumns(file, { reads, held, options }) };
    },
  });
}

interface Decoding {
  readonly scan: Scan;
  readonly works: AsyncIterable<Work>;
  /** Positions of the rows that go on; undefined: all. */
  readonly choose: (columns: RowColumns) => Uint32Array | undefined;
  /** Instead of those that the row group says. */
  readonly wanted?: GroupRows["wanted"];
}

function decodedAhead(file: TypedFile, { scan, works, choose, wanted: only }: Decoding): AsyncIterable<Found> {
  return ahead(works, {
    weigh: ({ reads }) => decodedBytes(file, reads),
    most: DECODED_BYTES,
    run: async (work): Promise<Found> => {
      const { jobs, held, before } = work;
      const wanted = only ?? work.wanted;
      const decoded = await decodeColumns(file, { jobs, held, wanted, signal: scan.options.signal });
      const columns = columnsOfRows(decoded, { wanted, before });
      return { work, columns, kept: choose(columns) };
    },
  });
}

/** Row groups of which rows may come out, the wanted rows being those that the deciding columns left. */
async function* survivors(
  deciding: AsyncIterable<Found>,
  { query, left, tops }: { readonly query: ParquetQuery; readonly left: number; readonly tops: readonly number[] },
): AsyncGenerator<Waiting, void, undefined> {
  // Geometry may still take rows out of those that a covering left.
  const isSure = query.box?.column.covering === undefined;
  let needed = left;
  for await (const { work, columns, kept } of deciding) {
    const { group, pages, held } = work;
    const isAll = kept === undefined || kept.length === columns.batch.numRows;
    const rows = isAll ? undefined : rowNumbers(work.wanted);
    const wanted = rows === undefined ? work.wanted : rowRanges(kept?.map((at) => rows[at] ?? 0) ?? rows);
    const before = tops.length === 0 ? {} : { before: keptColumns(columns, { tops, rows: isAll ? undefined : kept }) };
    if (wanted.length > 0 && needed > 0) yield { group, pages, wanted, held, ...before };
    if (isSure) needed -= countRows(wanted);
  }
}

/** What comes out of a row group: at most `left` rows. */
function outputBatch(
  { columns, kept }: Found,
  { query, schema, left }: Pick<Scan, "query" | "schema"> & { readonly left: number },
): RecordBatch {
  const { numRows } = columns.batch;
  const length = Math.min(kept?.length ?? numRows, left);
  const rows =
    kept?.subarray(0, length) ?? (length < numRows ? Uint32Array.from({ length }, (_, at) => at) : undefined);
  const needed = keptColumns(columns, { tops: query.output.map(({ top }) => top), rows });
  const children = query.output.flatMap(({ top, path }) => {
    const data = needed.batch.data.children[needed.tops.indexOf(top)];
    return data === undefined ? [] : [extractField(data, path)];
  });
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
}

/** 1, 2, 4... row groups. */
function* growing(groups: readonly GroupRows[]): Generator<readonly GroupRows[]> {
  let size = 1;
  for (let at = 0; at < groups.length; at += size / 2) {
    yield groups.slice(at, at + size);
    size *= 2;
  }
}
