import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import { flatInt64, flatTable, flatUint16, flatUint8, flatVector, rootTable, type FlatTable } from "../flatbuffer.ts";

/** Field numbers of Message.fbs, https://github.com/apache/arrow/blob/main/format/Message.fbs. */
const MESSAGE = { version: 0, kind: 1, header: 2, bodyLength: 3 } as const;
const BATCH = { length: 0, nodes: 1, buffers: 2, compression: 3, variadic: 4 } as const;
const DICTIONARY = { id: 0, data: 1, isDelta: 2 } as const;
const KIND = { schema: 1, dictionary: 2, batch: 3 } as const;
const CONTINUATION = 0xffffffff;
/** Rows of one batch are counted in 32 bits by every reader. */
const MAX_ROWS = 0x7fffffff;

export type Codec = "none" | "lz4" | "zstd";

export interface FieldNode {
  readonly length: number;
  readonly nullCount: number;
}

/** What a batch's message says of its body. Ranges count from the beginning of the body, and lie in it. */
export interface BatchHeader {
  readonly rows: number;
  readonly nodes: readonly FieldNode[];
  readonly buffers: readonly ByteRange[];
  /** Buffers of each column of views beyond its fixed ones. */
  readonly variadic: readonly number[];
  readonly codec: Codec;
  /** Before version 5, unions had a validity buffer. */
  readonly hasUnionValidity: boolean;
}

export interface DictionaryHeader {
  readonly id: bigint;
  readonly isDelta: boolean;
  readonly batch: BatchHeader;
}

/** The message of a record batch. `bytes` are the block's metadata, `bodyBytes` what the footer says of its body. */
export function parseBatch(bytes: Uint8Array, bodyBytes: number): BatchHeader {
  const message = rootTable(messageBytes(bytes));
  return batchHeader(headerOf(message, KIND.batch), { message, bodyBytes });
}

/** The message of a dictionary batch. */
export function parseDictionary(bytes: Uint8Array, bodyBytes: number): DictionaryHeader {
  const message = rootTable(messageBytes(bytes));
  const header = headerOf(message, KIND.dictionary);
  const data = flatTable(header, DICTIONARY.data);
  if (data === undefined) throw new RiffleError("malformed", "a dictionary without values");
  const isDelta = flatUint8(header, DICTIONARY.isDelta, 0) !== 0;
  return { id: flatInt64(header, DICTIONARY.id), isDelta, batch: batchHeader(data, { message, bodyBytes }) };
}

/** The table of a schema that comes as a message of its own, for `parseSchema`. */
export function schemaTable(bytes: Uint8Array): FlatTable {
  return headerOf(rootTable(messageBytes(bytes)), KIND.schema);
}

/** Behind the continuation mark and the length; files from before version 0.15 have the length alone. */
function messageBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 8) throw new RiffleError("malformed", "an Arrow message of less than 8 bytes");
  const view = viewOf(bytes);
  const start = view.getUint32(0, true) === CONTINUATION ? 8 : 4;
  const length = view.getUint32(start - 4, true);
  if (start + length > bytes.length) throw new RiffleError("malformed", "an Arrow message longer than its block");
  return bytes.subarray(start, start + length);
}

function headerOf(message: FlatTable, kind: number): FlatTable {
  const header = flatTable(message, MESSAGE.header);
  if (header === undefined || flatUint8(message, MESSAGE.kind, 0) !== kind) {
    throw new RiffleError("malformed", "an Arrow message of another kind than its place says");
  }
  return header;
}

function batchHeader(table: FlatTable, { message, bodyBytes }: { message: FlatTable; bodyBytes: number }): BatchHeader {
  const pairs = (id: number): readonly (readonly [number, number])[] => {
    const vector = flatVector(table, id, 16) ?? { start: 0, length: 0 };
    return Array.from({ length: vector.length }, (_, index) => {
      const at = vector.start + index * 16;
      return [safe(table.view.getBigInt64(at, true)), safe(table.view.getBigInt64(at + 8, true))];
    });
  };
  const buffers = pairs(BATCH.buffers).map(([start, length]) => ({ start, end: start + length }));
  if (buffers.some(({ end }) => end > bodyBytes))
    throw new RiffleError("malformed", "a buffer outside of its record batch");
  const rows = safe(flatInt64(table, BATCH.length));
  if (rows > MAX_ROWS) throw new RiffleError("malformed", `a record batch of ${rows} rows`);
  const variadic = flatVector(table, BATCH.variadic, 8) ?? { start: 0, length: 0 };
  return {
    rows,
    nodes: pairs(BATCH.nodes).map(([length, nullCount]) => ({ length, nullCount })),
    buffers,
    variadic: Array.from({ length: variadic.length }, (_, index) =>
      safe(table.view.getBigInt64(variadic.start + index * 8, true)),
    ),
    codec: codecOf(flatTable(table, BATCH.compression)),
    hasUnionValidity: flatUint16(message, MESSAGE.version, 0) < 4,
  };
}

function codecOf(compression: FlatTable | undefined): Codec {
  if (compression === undefined) return "none";
  const codec = flatUint8(compression, 0, 0);
  if (codec > 1) throw new RiffleError("unsupported", `buffers compressed by codec ${codec} of Arrow`);
  return codec === 0 ? "lz4" : "zstd";
}

function safe(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new RiffleError("malformed", `a length of ${value} in an Arrow message`);
  return Number(value);
}
