import type { DataType, RecordBatch } from "apache-arrow";
import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { recordBatch } from "../build/record-batch.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import { readPlan } from "../read-plan.ts";
import { bindRows, type BoundRows } from "../rows.ts";
import { refuseBox, tableColumns } from "../table-columns.ts";
import type { TableQuery, TableReader } from "../table.ts";
import { bodyRange, partsReader } from "./batches.ts";
import { bufferRanges, dictionaryIds, loadColumns } from "./columns.ts";
import { readDictionaries } from "./dictionaries.ts";
import { readFooter } from "./footer.ts";
import { bodies, messages, type Opened } from "./windows.ts";

const MAX_BATCH_BYTES = 1024 * 1024 * 1024;

/** An Arrow IPC file (Feather 2) as a table: of each batch only the buffers of the columns that are needed are read. */
export async function arrowTable(source: RangeSource, options: FormatOptions = {}): Promise<TableReader> {
  const file = await readFooter(source, options);
  const opened: Opened = {
    source,
    file,
    read: partsReader(source, file),
    maxBytes: options.maxBytes ?? MAX_BATCH_BYTES,
  };
  return {
    metadata: {
      format: "arrow",
      columns: tableColumns(file.schema),
      rows: file.batchBlocks.length === 0 ? 0 : undefined,
    },
    extents: () => file.batchBlocks.map(bodyRange).filter((range) => rangeLength(range) > 0),
    plan: (query, how = {}) => planBatches(opened, { query, options: { ...options, ...how } }),
    scan: (query, how = {}) => {
      refuseBox(query, "arrow");
      const bound = bindRows(file.schema, query);
      return bound.run(batches(opened, { bound, query, how: { ...options, ...how } }));
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Reads the messages of all batches; a limit without a predicate plans as many batches as it takes. */
async function planBatches(
  opened: Opened,
  { query, options }: { query: TableQuery; options: FormatOptions },
): Promise<ReadPlan> {
  refuseBox(query, "arrow");
  const { file, source } = opened;
  const { needed } = bindRows(file.schema, query);
  const ranges: ReadPlan["ranges"][number][] = [];
  let indexBytes = file.tail.length;
  let rows = 0;
  let kept = 0;
  const enough = query.where === undefined ? (query.limit ?? Infinity) : Infinity;
  for await (const columns of messages(opened, { needed, how: signalOf(options) })) {
    if (rows >= enough) break;
    rows += columns.header.rows;
    kept++;
    indexBytes += columns.block.metadataBytes;
    for (const [index, buffers] of bufferRanges(columns).entries()) {
      const purpose = `column ${columns.fields[index]?.name ?? ""}`;
      for (const range of buffers) if (isOutside(range, { source, file })) ranges.push({ range, purpose });
    }
  }
  const total = file.batchBlocks.length;
  const pruned = [
    ...(kept < total ? [{ what: "record batches by limit", total, kept }] : []),
    { what: "columns", total: file.schema.fields.length, kept: needed.length },
  ];
  return readPlan({ ranges, indexBytes, pruned }, options);
}

/** What is in the tail of the file has been read by then. */
function isOutside(range: ByteRange, { source, file }: Pick<Opened, "source" | "file">): boolean {
  return rangeLength(range) > 0 && range.start < source.size - file.tail.length;
}

interface Batches {
  readonly bound: BoundRows;
  readonly query: TableQuery;
  readonly how: ReadOptions;
}

async function* batches(opened: Opened, { bound, query, how }: Batches): AsyncGenerator<RecordBatch> {
  const { file, read, maxBytes } = opened;
  const { needed } = bound;
  const wanted = file.schema.selectAt([...needed]);
  const ids = dictionaryIds(wanted.fields.map((field) => field.type as DataType));
  // Asked for with the first messages, so that both are one round trip.
  const dictionaries = readDictionaries(file, { ...signalOf(how), read, ids, maxBytes });
  dictionaries.catch(() => undefined);
  const limit = query.where === undefined ? (query.limit ?? Infinity) : Infinity;
  for await (const loaded of bodies(opened, {
    needed,
    limit,
    how: signalOf(how),
    isAhead: query.limit === undefined,
  })) {
    const { columns, buffers } = loaded;
    const data = await loadColumns(columns, { buffers, dictionaries: await dictionaries, maxBytes });
    yield recordBatch(wanted, { columns: data, rows: columns.header.rows });
  }
}

function signalOf({ signal }: ReadOptions): ReadOptions {
  return signal === undefined ? {} : { signal };
}
