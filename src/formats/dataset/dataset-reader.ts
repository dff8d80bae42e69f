import type { RecordBatch } from "apache-arrow";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { FileSet, ReadPlan } from "../format.ts";
import type { TableColumn, TableMetadata, TableQuery, TableReader } from "../table.ts";
import { typeName } from "../predicate/domain.ts";
import { datasetColumns, type DatasetColumns } from "./columns.ts";
import { partitionField } from "./constant-column.ts";
import type { DatasetFile } from "./dataset-file.ts";
import { inFile } from "./file-error.ts";
import { openAhead } from "./open-ahead.ts";
import { canBeTrue, predicateWithin } from "./partition-predicate.ts";
import { partitionsOf, type Partitions } from "./partitions.ts";
import { sumPlans } from "./sum-plans.ts";

export interface DatasetOptions {
  /** Which files of the set are in the table; default: all. */
  readonly matches?: (path: string) => boolean;
  /** Opens one file; the reader is closed here. */
  readonly open: (path: string, source: RangeSource) => Promise<TableReader>;
  /** The most files that are open or being opened at once. Default 4: their indexes are held in memory. */
  readonly concurrency?: number;
}

/**
 * Many files as one table, in the order of their paths. Directories like `year=2024` are columns (see `partitionsOf`), after those of
 * the files. The columns are those of the first file, which is opened at once and stays open; every other file is opened only when a query needs
 * it and its partitions do not rule it out, and must have the same columns with the same types (others of its own are left out,
 * as DuckDB does). `extents` are empty: they are the files' own. Throws `not-found` when no file fits, `usage` for files that do
 * not go together.
 */
export async function datasetReader(files: FileSet, options: DatasetOptions): Promise<TableReader> {
  const paths = files.paths.filter((path) => options.matches?.(path) ?? true);
  const [firstPath] = paths;
  if (firstPath === undefined) throw new RiffleError("not-found", "no file of this name is in the artifact");
  const partitions = partitionsOf(paths);
  const open = async (path: string): Promise<TableReader> => {
    const source = files.file(path);
    if (source === undefined) throw new RiffleError("not-found", `no such file: ${path}`);
    try {
      return await options.open(path, source);
    } catch (error) {
      throw inFile(path, error);
    }
  };
  const first = await open(firstPath);
  const columns = datasetColumns(first.metadata.columns, partitions.columns);
  const dataset: Dataset = {
    paths,
    partitions,
    columns,
    concurrency: Math.max(1, options.concurrency ?? 4),
    first,
    open: async (path) => {
      if (path === firstPath) return lent(first);
      const reader = await open(path);
      try {
        checkColumns({ path, columns: reader.metadata.columns }, { path: firstPath, columns: columns.ofFiles });
      } catch (error) {
        await reader.close();
        throw error;
      }
      return reader;
    },
  };
  return tableOver(dataset, tableMetadata(first.metadata, { dataset, single: paths.length === 1 }));
}

interface Dataset {
  readonly paths: readonly string[];
  readonly partitions: Partitions;
  readonly columns: DatasetColumns;
  readonly concurrency: number;
  /** Stays open, so that its index is read once. */
  readonly first: TableReader;
  readonly open: (path: string) => Promise<TableReader>;
}

/** A reader that whoever has it may close without closing it for others. */
function lent(reader: TableReader): TableReader {
  const close = async (): Promise<void> => {};
  return {
    metadata: reader.metadata,
    extents: () => reader.extents(),
    plan: (query, options) => reader.plan(query, options),
    scan: (query, options) => reader.scan(query, options),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function tableOver(dataset: Dataset, metadata: TableMetadata): TableReader {
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new RiffleError("closed", "the table is closed");
  };
  const close = async (): Promise<void> => {
    closed = true;
    await dataset.first.close();
  };
  return {
    metadata,
    extents: () => [],
    async plan(query, options) {
      checkOpen();
      return planFiles(dataset, { query, options });
    },
    async *scan(query, options) {
      checkOpen();
      yield* scanFiles(dataset, { query, options });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function tableMetadata(
  first: TableMetadata,
  of: { readonly dataset: Dataset; readonly single: boolean },
): TableMetadata {
  const partitions: readonly TableColumn[] = of.dataset.partitions.columns.map((column) => ({
    name: column.name,
    type: typeName(partitionField(column).type),
    nullable: true,
  }));
  return {
    format: first.format,
    columns: [...of.dataset.columns.ofFiles, ...partitions],
    rows: of.single ? first.rows : undefined,
  };
}

interface Asked {
  readonly query: TableQuery;
  readonly options: ReadOptions | undefined;
}

/** The files that partitions do not rule out, in order. No I/O. */
function keptFiles(dataset: Dataset, query: TableQuery): readonly DatasetFile[] {
  const { columns, values } = dataset.partitions;
  return dataset.paths.flatMap((path) => {
    const own = values.get(path) ?? [];
    const where = query.where === undefined ? undefined : predicateWithin(query.where, { columns, values: own });
    return canBeTrue(where) ? [{ path, where, values: own }] : [];
  });
}

function isFiltered(file: DatasetFile, query: TableQuery): boolean {
  return file.where !== undefined || query.bbox !== undefined;
}

async function planFiles(dataset: Dataset, asked: Asked): Promise<ReadPlan> {
  const { query, options } = asked;
  const projection = dataset.columns.project(query.columns);
  const kept = keptFiles(dataset, query);
  const plans: { readonly path: string; readonly plan: ReadPlan }[] = [];
  let left = query.limit ?? Infinity;
  for await (const { file, reader } of openAhead(kept, {
    ...dataset,
    signal: options?.signal,
    isLast: (of, at) => at.rows >= left && !isFiltered(of, query),
  })) {
    try {
      const needed = projection.forFile(reader.metadata, isFiltered(file, query));
      if (needed.length > 0) {
        const plan = await reader.plan(fileQuery(query, { file, columns: needed, limit: left }), options);
        plans.push({ path: file.path, plan });
      }
      if (!isFiltered(file, query)) left -= reader.metadata.rows ?? 0;
    } catch (error) {
      throw inFile(file.path, error);
    }
    if (left <= 0) break;
  }
  return sumPlans(plans, { total: dataset.paths.length, kept: kept.length });
}

function fileQuery(
  query: TableQuery,
  of: { readonly file: DatasetFile; readonly columns: readonly string[]; readonly limit: number },
): TableQuery {
  return {
    columns: of.columns,
    ...(of.file.where === undefined ? {} : { where: of.file.where }),
    ...(query.bbox === undefined ? {} : { bbox: query.bbox }),
    ...(of.limit === Infinity ? {} : { limit: of.limit }),
  };
}

async function* scanFiles(dataset: Dataset, asked: Asked): AsyncIterable<RecordBatch> {
  const { query, options } = asked;
  const projection = dataset.columns.project(query.columns);
  const kept = keptFiles(dataset, query);
  let left = query.limit ?? Infinity;
  if (left <= 0) return;
  const assemble = projection.assembler();
  for await (const { file, reader } of openAhead(kept, {
    ...dataset,
    signal: options?.signal,
    isLast: (of, at) => at.rows >= left && !isFiltered(of, query),
  })) {
    const needed = projection.forFile(reader.metadata, isFiltered(file, query));
    const batches =
      needed.length === 0
        ? assemble.withoutFile(file.values, Math.min(left, reader.metadata.rows ?? 0))
        : scanFile(reader, { file, query: fileQuery(query, { file, columns: needed, limit: left }), options });
    for await (const batch of batches) {
      const rows = Math.min(batch.numRows, left);
      left -= rows;
      const full = needed.length === 0 ? batch : assemble.withFile(batch, file.values);
      if (rows > 0) yield rows < full.numRows ? full.slice(0, rows) : full;
      if (left <= 0) return;
    }
  }
}

async function* scanFile(
  reader: TableReader,
  of: { readonly file: DatasetFile; readonly query: TableQuery; readonly options: ReadOptions | undefined },
): AsyncIterable<RecordBatch> {
  try {
    yield* reader.scan(of.query, of.options);
  } catch (error) {
    throw inFile(of.file.path, error);
  }
}

interface ColumnsOf {
  readonly path: string;
  readonly columns: readonly TableColumn[];
}

function checkColumns(file: ColumnsOf, first: ColumnsOf): void {
  const own = new Map(file.columns.map((column) => [column.name, column.type]));
  for (const { name, type } of first.columns) {
    const found = own.get(name);
    if (found === type) continue;
    const differs = found === undefined ? `is missing in ${file.path}` : `is ${found} in ${file.path}`;
    throw new RiffleError(
      "usage",
      `these files are not one table: column ${name} is ${type} in ${first.path} and ${differs}`,
      {
        hint: "name files of one kind",
      },
    );
  }
}
