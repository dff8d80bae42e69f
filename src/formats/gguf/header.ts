import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, viewOf } from "../binary.ts";
import { elementCount } from "../element-type.ts";
import type { Fact, FormatOptions } from "../format.ts";
import { readHead } from "../head.ts";
import { byteCursor, type ByteCursor } from "./byte-cursor.ts";
import { tensorType, type TensorType } from "./types.ts";

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** As stored: the fastest axis first. */
  readonly dimensions: readonly number[];
  /** In the file; empty where the size of the type is not known. */
  readonly start: number;
  readonly end: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly isBigEndian: boolean;
  readonly alignment: number;
  /** Up to the first tensor. */
  readonly bytes: number;
  readonly values: readonly (readonly [key: string, value: Fact])[];
  /** In the order of the header. */
  readonly tensors: readonly GgufTensor[];
}

/** The words of a tokenizer are in the header: some 20 MiB in the largest models. */
const MAX_HEADER_BYTES = 256 * 1024 * 1024;
const GROWTH = 4;
const DEFAULT_ALIGNMENT = 32;
/** ggml itself knows four. */
const MAX_DIMENSIONS = 8;
/** A real model has some thousands. */
const MAX_ENTRIES = 1_000_000;
const MAX_ARRAY_DEPTH = 8;
/** Longer lists are counted, and their first items given. */
const SHOWN_ITEMS = 8;
const SHOWN_TEXT = 1000;

/**
 * The header (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), read in pieces that grow until it is whole: it
 * does not say how long it is. Rejects with `malformed`, and `unsupported` for versions that are not known; nothing is
 * allocated by its counts.
 */
export async function readGgufHeader(source: RangeSource, options: FormatOptions = {}): Promise<GgufHeader> {
  const limit = Math.min(options.maxBytes ?? MAX_HEADER_BYTES, MAX_HEADER_BYTES, source.size);
  let head = await readHead(source, options);
  for (;;) {
    const header = parseGguf(head.bytes, source.size);
    if (header !== undefined) return header;
    if (head.bytes.length >= limit) {
      throw new RiffleError("malformed", `the GGUF header does not end within ${head.bytes.length} bytes`);
    }
    head = await head.extend(Math.min(limit, head.bytes.length * GROWTH));
  }
}

/** Undefined where the bytes end before the header does. */
function parseGguf(bytes: Uint8Array, size: number): GgufHeader | undefined {
  if (latin1(bytes, 0, 4) !== "GGUF" || bytes.length < 8)
    throw new RiffleError("malformed", "the file does not begin as GGUF");
  const view = viewOf(bytes);
  // A version that is only small the other way round tells the byte order.
  const isBigEndian = (view.getUint32(4, true) & 0xffff) === 0;
  const version = view.getUint32(4, !isBigEndian);
  if (version < 1 || version > 3) throw new RiffleError("unsupported", `GGUF version ${version} is not known`);
  const cursor = byteCursor(bytes, { start: 8, littleEndian: !isBigEndian, isNarrow: version === 1 });
  const tensorCount = cursor.length();
  const valueCount = cursor.length();
  if (cursor.ended()) return undefined;
  if (tensorCount > MAX_ENTRIES || valueCount > MAX_ENTRIES) {
    throw new RiffleError("malformed", `the GGUF header declares ${valueCount} values and ${tensorCount} tensors`);
  }
  const values = new Map<string, Fact>();
  for (let i = 0; i < valueCount && !cursor.ended(); i += 1) {
    const key = cursor.text();
    const value = readValue(cursor, cursor.uint32(), 0);
    if (cursor.ended()) return undefined;
    if (values.has(key)) throw new RiffleError("malformed", `the GGUF header has ${JSON.stringify(key)} twice`);
    values.set(key, value);
  }
  const placed: Placed[] = [];
  for (let i = 0; i < tensorCount && !cursor.ended(); i += 1) placed.push(readTensor(cursor));
  if (cursor.ended()) return undefined;
  const alignment = values.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== "number" || !Number.isSafeInteger(alignment) || alignment < 1 || alignment > 2 ** 30) {
    throw new RiffleError("malformed", "the alignment of the GGUF file is no length");
  }
  const base = Math.ceil(cursor.offset() / alignment) * alignment;
  const tensors = placed.map((tensor) => place(tensor, { base, size }));
  return { version, isBigEndian, alignment, bytes: Math.min(base, size), values: [...values], tensors };
}

interface Placed {
  readonly name: string;
  readonly dimensions: readonly number[];
  readonly type: number;
  readonly offset: number;
}

function readTensor(cursor: ByteCursor): Placed {
  const name = cursor.text();
  const count = cursor.uint32();
  if (count > MAX_DIMENSIONS && !cursor.ended()) {
    throw new RiffleError("malformed", `GGUF tensor ${JSON.stringify(name)} has ${count} dimensions`);
  }
  const dimensions = Array.from({ length: Math.min(count, MAX_DIMENSIONS) }, () => cursor.length());
  return { name, dimensions, type: cursor.uint32(), offset: cursor.uint64() };
}

function place(
  { name, dimensions, type: id, offset }: Placed,
  { base, size }: { readonly base: number; readonly size: number },
): GgufTensor {
  const type = tensorType(id);
  const what = `GGUF tensor ${JSON.stringify(name)} of dimensions [${dimensions.join(", ")}]`;
  const count = elementCount(dimensions);
  const start = base + offset;
  if (count === undefined) throw new RiffleError("malformed", `${what} has more elements than a file can hold`);
  const blocks = count / type.blockElements;
  if (!Number.isSafeInteger(blocks)) throw new RiffleError("malformed", `${what} is no number of ${type.name} blocks`);
  const end = start + blocks * type.blockBytes;
  if (!Number.isSafeInteger(end) || end > size)
    throw new RiffleError("malformed", `${what} ends behind the end of the file`);
  return { name, type, dimensions, start, end };
}

function readValue(cursor: ByteCursor, type: number, depth: number): Fact {
  if (cursor.ended()) return null;
  if (type === 8) {
    const text = cursor.text();
    return text.length > SHOWN_TEXT ? `${text.slice(0, SHOWN_TEXT)}...` : text;
  }
  if (type !== 9) return cursor.scalar(type);
  if (depth === MAX_ARRAY_DEPTH) throw new RiffleError("malformed", "a list of the GGUF header is nested too deep");
  const itemType = cursor.uint32();
  const length = cursor.length();
  const items: Fact[] = [];
  const width = cursor.scalarBytes(itemType);
  for (let i = 0; i < length && !cursor.ended(); i += 1) {
    if (i >= SHOWN_ITEMS && width !== undefined) {
      cursor.skip((length - i) * width);
      break;
    }
    if (i >= SHOWN_ITEMS && itemType === 8) cursor.skipText();
    else {
      const item = readValue(cursor, itemType, depth + 1);
      if (i < SHOWN_ITEMS) items.push(item);
    }
  }
  return { length, first: items };
}
