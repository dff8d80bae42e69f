import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { bodyRange, grouped, metadataRange, type ReadParts } from "./batches.ts";
import { bufferRanges, columnBytes, columnsOfBatch, type ColumnsOfBatch } from "./columns.ts";
import type { ArrowFile, Block } from "./footer.ts";
import { parseBatch } from "./message.ts";

/** Batches whose wanted bytes together stay below this go out in one call. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Messages that are read ahead of their bodies: some thousand batches. */
const MESSAGES_BYTES = 1024 * 1024;

export interface Opened {
  readonly source: RangeSource;
  readonly file: ArrowFile;
  readonly read: ReadParts;
  readonly maxBytes: number;
}

export interface Wanted {
  readonly needed: readonly number[];
  readonly how: ReadOptions;
}

/** The columns of each batch, known by its message: messages are read many at a time. */
export async function* messages({ file, read }: Opened, { needed, how }: Wanted): AsyncGenerator<ColumnsOfBatch> {
  const groups = grouped(file.batchBlocks, { bytes: MESSAGES_BYTES, of: (block) => block.metadataBytes });
  for (const blocks of groups) {
    const answers = await read(blocks.map(metadataRange), { ...how, priority: "metadata" });
    for (const [index, block] of blocks.entries()) yield columnsOf(file, { block, message: answers[index], needed });
  }
}

function columnsOf(
  { schema }: ArrowFile,
  {
    block,
    message = new Uint8Array(),
    needed,
  }: { block: Block; message: Uint8Array | undefined; needed: readonly number[] },
): ColumnsOfBatch {
  return columnsOfBatch(schema.fields, { block, header: parseBatch(message, block.bodyBytes), needed });
}

export interface Loaded {
  readonly columns: ColumnsOfBatch;
  readonly buffers: readonly Uint8Array[];
}

interface Bodies extends Wanted {
  /** Rows after which nothing more is read. */
  readonly limit: number;
  /** Whether the next window is read while this one is worked on. */
  readonly isAhead: boolean;
}

/** The wanted buffers of each batch; those of small batches together. */
export async function* bodies(opened: Opened, { needed, limit, how, isAhead }: Bodies): AsyncGenerator<Loaded> {
  const isWhole = needed.length === opened.file.schema.fields.length;
  const windows = isWhole
    ? wholeWindows(opened, { needed, limit, how })
    : columnWindows(opened, { needed, limit, how });
  let rows = 0;
  const load = async (): Promise<readonly Loaded[] | undefined> => {
    const window = await windows.next();
    return window.done === true ? undefined : window.value();
  };
  let coming = load();
  for (;;) {
    const window = await coming;
    if (window === undefined) return;
    if (isAhead) coming = load();
    // Awaited in the next round, or left behind when the reader stops: then nobody is to hear of its failure.
    coming.catch(() => undefined);
    for (const loaded of window) {
      yield loaded;
      rows += loaded.columns.header.rows;
    }
    if (rows >= limit) return;
    if (!isAhead) coming = load();
  }
}

/** A window that is read when it is called. */
type Window = () => Promise<readonly Loaded[]>;

/** Of some columns: messages first, then the buffers that they name. */
async function* columnWindows(
  opened: Opened,
  { needed, limit, how }: Wanted & { limit: number },
): AsyncGenerator<Window> {
  const load =
    (group: readonly ColumnsOfBatch[]): Window =>
    async () => {
      const ranges = group.map((columns) => bufferRanges(columns).flat());
      const bytes = await opened.read(ranges.flat(), { ...how, priority: "demand" });
      let at = 0;
      return group.map((columns, index) => ({ columns, buffers: bytes.slice(at, (at += ranges[index]?.length ?? 0)) }));
    };
  let group: ColumnsOfBatch[] = [];
  let [bytes, rows] = [0, 0];
  for await (const columns of messages(opened, { needed, how })) {
    const more = columnBytes(columns);
    if (group.length > 0 && (bytes + more > WINDOW_BYTES || rows >= limit)) {
      yield load(group);
      group = [];
      bytes = 0;
    }
    group.push(columns);
    bytes += more;
    rows += columns.header.rows;
  }
  if (group.length > 0) yield load(group);
}

/** Of all columns: message and body lie side by side and are one range. */
async function* wholeWindows(
  { file, read }: Opened,
  { needed, limit, how }: Wanted & { limit: number },
): AsyncGenerator<Window> {
  const blockBytes = ({ metadataBytes, bodyBytes }: Block): number => metadataBytes + bodyBytes;
  // How many rows a batch has is only known when it is read: under a limit one at a time.
  const bytes = limit === Infinity ? WINDOW_BYTES : 1;
  for (const blocks of grouped(file.batchBlocks, { bytes, of: blockBytes })) {
    yield async () => {
      const ranges = blocks.map((block) => ({ start: block.start, end: bodyRange(block).end }));
      const parts = await read(ranges, { ...how, priority: "demand" });
      return blocks.map((block, index) => {
        const whole = parts[index] ?? new Uint8Array();
        const columns = columnsOf(file, { block, message: whole.subarray(0, block.metadataBytes), needed });
        const buffers = bufferRanges(columns)
          .flat()
          .map(({ start, end }) => whole.subarray(start - block.start, end - block.start));
        return { columns, buffers };
      });
    };
  }
}
