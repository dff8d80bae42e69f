import { makeData, RecordBatch, Struct, type Schema } from "apache-arrow";
import type { ReadOptions } from "../../bytes/source.ts";
import { takeRows } from "../predicate/take-rows.ts";
import { ahead } from "./ahead.ts";
import { columnReads, readBytes, readRanges, type ColumnRead, type GroupRows } from "./column-read.ts";
import { countRows, rowNumbers, rowRanges } from "./coverage.ts";
import { decodeColumns } from "./decode-columns.ts";
import { emptyBatch } from "./empty-batch.ts";
import { extractField } from "./extract-field.ts";
import { HeldBytes } from "./held-bytes.ts";
import { groupOf, type TypedFile } from "./parquet-file.ts";
import { prune } from "./prune.ts";
import { takesAll, type ParquetQuery } from "./query.ts";
import { columnsOfRows, earlyRows, lateRows } from "./row-filter.ts";

/** Bytes that are fetched together, and again so many while these are worked on. A larger row group comes alone. */
const WAVE_BYTES = 32 * 1024 * 1024;

interface Scan {
  readonly query: ParquetQuery;
  /** Of the batches. */
  readonly schema: Schema;
  readonly options: ReadOptions;
}

/** A row group with its reads, and what was fetched of it. */
interface Work extends GroupRows {
  readonly reads: readonly ColumnRead[];
  readonly held: HeldBytes;
}

/**
 * The rows of a query, a batch for each row group that has any. First the columns that decide are read, of as many row groups as fit
 * into a wave, then the others where rows are left. A query without rows gives one empty batch, for its columns.
 */
export async function* scanRows(file: TypedFile, scan: Scan): AsyncGenerator<RecordBatch, void, undefined> {
  let left = scan.query.limit;
  let given = 0;
  const { groups } = left > 0 ? await prune(file, { query: scan.query, ...scan.options }) : { groups: [] };
  for await (const survivors of earlyWaves(file, { ...scan, groups })) {
    // Geometry may still take rows out of those that a covering left.
    const sure = scan.query.box?.column.covering === undefined;
    const works = (sure ? trimmed(survivors, left) : survivors).map(({ held, ...group }) =>
      lateWork(file, { query: scan.query, group, held }),
    );
    const fetch = (part: readonly Work[]): Promise<readonly Work[]> =>
      fetchWave(file, { wave: part, options: scan.options });
    for await (const wave of ahead(waves(works, WAVE_BYTES), fetch)) {
      for (const work of wave) {
        const batch = await lateBatch(file, { scan, work, left });
        work.held.clear();
        if (batch.numRows === 0) continue;
        left -= batch.numRows;
        given += 1;
        yield batch;
        if (left <= 0) return;
      }
    }
  }
  if (given === 0) yield emptyBatch(scan.schema);
}

type Survivor = GroupRows & { readonly held: HeldBytes };

/** Row groups of which rows may come out, wave by wave, the wanted rows being those that the deciding columns left. */
async function* earlyWaves(
  file: TypedFile,
  scan: Scan & { readonly groups: readonly GroupRows[] },
): AsyncGenerator<readonly Survivor[]> {
  const { query, groups, options } = scan;
  if (takesAll(query)) {
    yield groups.map((group) => ({ ...group, held: new HeldBytes() }));
    return;
  }
  const works = groups.map((group) => ({
    ...group,
    reads: columnReads(file, { ...group, leaves: query.early }),
    held: new HeldBytes(),
  }));
  const limited = query.limit !== Infinity;
  // A limit may be reached soon: then few row groups first, and nothing ahead.
  const all = limited ? growing(works) : waves(works, WAVE_BYTES);
  for await (const wave of ahead(all, (part) => fetchWave(file, { wave: part, options }), { eager: !limited })) {
    const survivors: Survivor[] = [];
    for (const work of wave) {
      const wanted = await matching(file, { query, work, options });
      if (wanted.length > 0) survivors.push({ group: work.group, pages: work.pages, wanted, held: work.held });
      else work.held.clear();
    }
    yield survivors;
  }
}

async function matching(
  file: TypedFile,
  { query, work, options }: { readonly query: ParquetQuery; readonly work: Work; readonly options: ReadOptions },
): Promise<GroupRows["wanted"]> {
  const decoded = await decodeColumns(file, { reads: work.reads, held: work.held, signal: options.signal });
  // A condition that looks at no column is the same for all rows.
  const wanted = work.reads.length === 0 ? [{ start: 0, end: 1 }] : work.wanted;
  const columns = columnsOfRows(decoded, { wanted, total: groupOf(file, work.group).rows });
  const kept = earlyRows(file, { query, columns });
  if (kept.length === columns.batch.numRows) return work.wanted;
  const rows = rowNumbers(wanted);
  return rowRanges(kept.map((at) => rows[at] ?? 0));
}

function lateWork(
  file: TypedFile,
  { query, group, held }: { readonly query: ParquetQuery; readonly group: GroupRows; readonly held: HeldBytes },
): Work {
  return { ...group, reads: columnReads(file, { ...group, leaves: query.late }), held };
}

async function lateBatch(
  file: TypedFile,
  { scan, work, left }: { readonly scan: Scan; readonly work: Work; readonly left: number },
): Promise<RecordBatch> {
  const { query, schema, options } = scan;
  const decoded = await decodeColumns(file, { reads: work.reads, held: work.held, signal: options.signal });
  const columns = columnsOfRows(decoded, { wanted: work.wanted, total: groupOf(file, work.group).rows });
  const kept = lateRows({ query, columns });
  const { numRows } = columns.batch;
  const few = Math.min(kept?.length ?? numRows, left);
  const chosen =
    kept?.subarray(0, few) ?? (few < numRows ? Uint32Array.from({ length: few }, (_, at) => at) : undefined);
  const batch = chosen === undefined ? columns.batch : takeRows(columns.batch, chosen);
  const children = query.output.flatMap(({ top, path }) => {
    const data = batch.data.children[columns.tops.indexOf(top)];
    return data === undefined ? [] : [extractField(data, path)];
  });
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: few, nullCount: 0, children }));
}

/** Of the rows that are sure to come out, no more than the limit. */
function trimmed(survivors: readonly Survivor[], limit: number): readonly Survivor[] {
  let left = limit;
  return survivors.filter(({ wanted }) => {
    const needed = left > 0;
    left -= countRows(wanted);
    return needed;
  });
}

async function fetchWave(
  file: TypedFile,
  { wave, options }: { readonly wave: readonly Work[]; readonly options: ReadOptions },
): Promise<readonly Work[]> {
  // One read for all of them; each row group then holds its own.
  const missing = new HeldBytes();
  const ranges = wave.flatMap(({ reads, held }) => readRanges(reads).filter((range) => !held.has(range)));
  await missing.fetch(file.source, { ...options, ranges });
  for (const { reads, held } of wave) {
    for (const range of readRanges(reads)) if (!held.has(range)) held.add(range, missing.get(range));
  }
  return wave;
}

/** Cut into parts of some bytes each, or of one row group that is larger. */
function waves(works: readonly Work[], maxBytes: number): readonly (readonly Work[])[] {
  const out: Work[][] = [];
  let bytes = Infinity;
  for (const work of works) {
    const own = readBytes(work.reads);
    bytes += own;
    if (bytes > maxBytes) {
      out.push([work]);
      bytes = own;
    } else out.at(-1)?.push(work);
  }
  return out;
}

/** 1, 2, 4... row groups. */
function growing(works: readonly Work[]): readonly (readonly Work[])[] {
  const out: (readonly Work[])[] = [];
  let size = 1;
  for (let at = 0; at < works.length; at += size / 2) {
    out.push(...waves(works.slice(at, at + size), WAVE_BYTES));
    size *= 2;
  }
  return out;
}
