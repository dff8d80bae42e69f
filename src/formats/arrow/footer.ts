import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, viewOf } from "../binary.ts";
import { TAIL_BYTES } from "../first-bytes.ts";
import { flatTable, flatVector, rootTable, type FlatTable } from "../flatbuffer.ts";
import { parseSchema, type ArrowSchema } from "./schema.ts";

const MAGIC = "ARROW1";
/** Of a file without batches: the magic with its padding, a footer's length, the magic. */
const LEAST_BYTES = 8 + 4 + MAGIC.length;

/** Where a message and its body lie. */
export interface Block {
  readonly start: number;
  readonly metadataBytes: number;
  readonly bodyBytes: number;
}

export interface ArrowFile extends ArrowSchema {
  readonly dictionaryBlocks: readonly Block[];
  readonly batchBlocks: readonly Block[];
  /** The last bytes of the file, from the footer on at least. */
  readonly tail: Uint8Array;
  readonly footerBytes: number;
}

/** Field numbers of File.fbs, https://github.com/apache/arrow/blob/main/format/File.fbs. */
const FOOTER = { schema: 1, dictionaries: 2, batches: 3 } as const;
const BLOCK_BYTES = 24;

/** Reads the footer in one request, in two when it is longer than 64 KiB. */
export async function readFooter(
  source: RangeSource,
  { signal, maxBytes = 256 * 1024 * 1024 }: ReadOptions & { readonly maxBytes?: number } = {},
): Promise<ArrowFile> {
  const how = { priority: "metadata" as const, ...(signal === undefined ? {} : { signal }) };
  if (source.size < LEAST_BYTES)
    throw new RiffleError("malformed", `an Arrow file of ${source.size} bytes: ${source.id}`);
  let tail = await source.read({ start: Math.max(0, source.size - TAIL_BYTES), end: source.size }, how);
  const end = tail.length - MAGIC.length - 4;
  if (latin1(tail, end + 4) !== MAGIC) {
    throw new RiffleError("malformed", `an Arrow file that does not end in ${MAGIC}: ${source.id}`, {
      hint: "it is cut off, or a stream, which has no footer",
    });
  }
  const footerBytes = viewOf(tail).getInt32(end, true);
  const whole = footerBytes + 4 + MAGIC.length;
  if (footerBytes <= 0 || whole > source.size) {
    throw new RiffleError("malformed", `a footer of ${footerBytes} bytes in a file of ${source.size}: ${source.id}`);
  }
  if (footerBytes > maxBytes) throw new RiffleError("unsupported", `a footer of ${footerBytes} bytes: ${source.id}`);
  if (whole > tail.length) tail = await source.read({ start: source.size - whole, end: source.size }, how);
  const footer = rootTable(tail.subarray(tail.length - whole, tail.length - 4 - MAGIC.length));
  const schema = flatTable(footer, FOOTER.schema);
  if (schema === undefined) throw new RiffleError("malformed", `an Arrow footer without a schema: ${source.id}`);
  return {
    ...parseSchema(schema),
    dictionaryBlocks: blocksOf(footer, FOOTER.dictionaries, source.size),
    batchBlocks: blocksOf(footer, FOOTER.batches, source.size),
    tail,
    footerBytes,
  };
}

function blocksOf(footer: FlatTable, id: number, size: number): readonly Block[] {
  const { start: first, length } = flatVector(footer, id, BLOCK_BYTES) ?? { start: 0, length: 0 };
  return Array.from({ length }, (_, index) => {
    const at = first + index * BLOCK_BYTES;
    const start = Number(footer.view.getBigInt64(at, true));
    const metadataBytes = footer.view.getInt32(at + 8, true);
    const bodyBytes = Number(footer.view.getBigInt64(at + 16, true));
    if (start < 0 || metadataBytes < 8 || bodyBytes < 0 || start + metadataBytes + bodyBytes > size) {
      throw new RiffleError("malformed", `block ${index} of the Arrow footer lies outside of the file`);
    }
    return { start, metadataBytes, bodyBytes };
  });
}
