import { crc32 } from "node:zlib";
import { RiffleError } from "../../errors.ts";
import { THRIFT, ThriftReader } from "./thrift.ts";

export interface Page {
  readonly kind: "data" | "dictionary" | "other";
  /** Of the header, and of what follows the data. */
  readonly start: number;
  readonly end: number;
  /** Of a data page: with nulls. */
  readonly values: number;
  readonly uncompressedBytes: number;
}

export interface PageWalk {
  /** For messages: "column a of row group 3". */
  readonly what: string;
  /** The walk ends when the data pages have this many; undefined: at the end of the bytes. */
  readonly values: number | undefined;
  /** Of all pages together, uncompressed. */
  readonly maxBytes: number;
}

/** By number, as `parquet.thrift` gives them. */
const PAGE_KINDS = ["data", "other", "dictionary", "data"] as const;

/**
 * The pages that `bytes` hold, one after the other. Rejects (`malformed`) pages that do not fit and, where a page has a
 * checksum, contents that do not have it; what would decode to more than `maxBytes` is `unsupported`.
 */
export function walkPages(bytes: Uint8Array, walk: PageWalk): readonly Page[] {
  const pages: Page[] = [];
  let values = 0;
  let size = 0;
  for (let at = 0; at < bytes.length && (walk.values === undefined || values < walk.values);) {
    const page = readPage(bytes, { at, what: walk.what });
    pages.push(page);
    values += page.kind === "data" ? page.values : 0;
    size += page.uncompressedBytes;
    at = page.end;
    if (size > walk.maxBytes) {
      throw new RiffleError("unsupported", `${walk.what} decodes to more than ${walk.maxBytes} bytes`);
    }
  }
  if (walk.values !== undefined && values !== walk.values) {
    throw new RiffleError("malformed", `${walk.what} has pages for ${values} of its ${walk.values} values`);
  }
  return pages;
}

function readPage(bytes: Uint8Array, { at, what }: { readonly at: number; readonly what: string }): Page {
  const header = readHeader(bytes, at);
  const { compressed, uncompressed, crc } = header;
  const end = header.end + compressed;
  if (!(compressed >= 0 && uncompressed >= 0 && end <= bytes.length && header.values >= 0)) {
    throw new RiffleError("malformed", `${what} has a page that does not fit into it`);
  }
  if (crc !== undefined && crc32(bytes.subarray(header.end, end)) >>> 0 !== crc >>> 0) {
    throw new RiffleError("malformed", `${what} has a page whose content does not have its checksum (CRC-32)`);
  }
  const kind = PAGE_KINDS[header.type] ?? "other";
  return { kind, start: at, end, values: header.values, uncompressedBytes: uncompressed };
}

interface Header {
  readonly type: number;
  readonly uncompressed: number;
  readonly compressed: number;
  readonly crc: number | undefined;
  readonly values: number;
  /** Where the data begins. */
  readonly end: number;
}

function readHeader(bytes: Uint8Array, at: number): Header {
  const reader = new ThriftReader(bytes, at);
  const numbers: number[] = [];
  let values = 0;
  reader.struct((id, type) => {
    if (id <= 4 && type === THRIFT.i32) numbers[id] = reader.zigzag();
    else if ((id === 5 || id === 7 || id === 8) && type === THRIFT.struct) {
      reader.struct((inner, innerType) => {
        if (inner !== 1 || innerType !== THRIFT.i32) return false;
        values = reader.zigzag();
        return true;
      });
    } else return false;
    return true;
  });
  const [, type = 0, uncompressed = -1, compressed = -1, crc] = numbers;
  return { type, uncompressed, compressed, crc, values, end: reader.position };
}
