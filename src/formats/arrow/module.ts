import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { tableColumns } from "../table-columns.ts";
import { partsReader } from "./batches.ts";
import { bufferRanges, type ColumnsOfBatch } from "./columns.ts";
import { readFooter } from "./footer.ts";
import { arrowTable } from "./reader.ts";
import { messages } from "./windows.ts";

/** Messages of more batches than this are not read to tell rows or extents. */
const MAX_MESSAGES_BYTES = 4 * 1024 * 1024;

export const arrow: FormatModule = {
  info: async (source, options = {}): Promise<FileInfo> => {
    const { file, batches } = await allBatches(source, { options, maxBytes: MAX_MESSAGES_BYTES });
    const rows = batches?.reduce((sum, { header }) => sum + header.rows, 0);
    const codecs = new Set((batches ?? []).map(({ header }) => header.codec));
    const metadata: Record<string, Fact> = Object.fromEntries(file.schema.metadata);
    return {
      format: "arrow",
      title: "Arrow IPC file",
      facts: {
        rows: rows ?? null,
        batches: file.batchBlocks.length,
        dictionaries: file.dictionaryBlocks.length,
        compression: codecs.size === 0 ? null : [...codecs].join(", "),
        columns: tableColumns(file.schema).map(({ name, type, nullable }) => ({ name, type, nullable })),
        ...(file.schema.metadata.size === 0 ? {} : { metadata }),
      },
      notes: batches === undefined ? ["so many batches that their rows were not counted"] : [],
    };
  },
  extents: (source, options = {}) => arrowExtents(source, options),
  table: arrowTable,
};

/** Of each batch the buffers of each column, which lie side by side; the columns are the series. */
async function arrowExtents(source: RangeSource, options: FormatOptions): Promise<ExtentTable> {
  const { batches } = await allBatches(source, { options, maxBytes: options.maxBytes ?? MAX_MESSAGES_BYTES });
  if (batches === undefined) return NO_EXTENTS;
  const extents = batches.flatMap((columns) =>
    bufferRanges(columns).flatMap((buffers, series): readonly Extent[] => {
      const all = around(buffers.filter((range) => rangeLength(range) > 0));
      return all === undefined ? [] : [{ ...all, series }];
    }),
  );
  return extentTable(extents, source.size);
}

function around(ranges: readonly ByteRange[]): ByteRange | undefined {
  const [first, ...rest] = ranges;
  if (first === undefined) return undefined;
  return rest.reduce(
    (all, { start, end }) => ({ start: Math.min(all.start, start), end: Math.max(all.end, end) }),
    first,
  );
}

interface AllOptions {
  readonly options: FormatOptions;
  /** Of messages: with more of them, batches are undefined. */
  readonly maxBytes: number;
}

/** The footer, and the messages of all batches: two round trips, one for a small file. */
async function allBatches(
  source: RangeSource,
  { options, maxBytes }: AllOptions,
): Promise<{ file: Awaited<ReturnType<typeof readFooter>>; batches: readonly ColumnsOfBatch[] | undefined }> {
  const { signal } = options;
  const how = signal === undefined ? {} : { signal };
  const file = await readFooter(source, how);
  const bytes = file.batchBlocks.reduce((sum, { metadataBytes }) => sum + metadataBytes, 0);
  if (bytes > maxBytes) return { file, batches: undefined };
  const needed = [...file.schema.fields.keys()];
  const opened = { source, file, read: partsReader(source, file), maxBytes };
  const batches: ColumnsOfBatch[] = [];
  for await (const columns of messages(opened, { needed, how })) batches.push(columns);
  return { file, batches };
}
