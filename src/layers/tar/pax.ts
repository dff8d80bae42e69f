import { RiffleError } from "../../errors.ts";

/** What an extended header says of the member behind it. */
export interface PaxRecords {
  readonly path?: Uint8Array;
  readonly linkpath?: Uint8Array;
  /** Bytes stored; not checked. */
  readonly size?: number;
  readonly mtime?: number;
  readonly sparse?: PaxSparse;
}

/** The keys of GNU sparse members, versions 0.0, 0.1 and 1.0. */
export interface PaxSparse {
  readonly major?: number;
  readonly minor?: number;
  readonly name?: Uint8Array;
  readonly realSize?: number;
  /** Numbers of the map as they came, offset and length in turn; NaN for what is none. */
  readonly map?: readonly number[];
}

interface Draft {
  path?: Uint8Array;
  linkpath?: Uint8Array;
  size?: number;
  mtime?: number;
  major?: number;
  minor?: number;
  name?: Uint8Array;
  realSize?: number;
  map?: number[];
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
/** `path` and the names that stand for it: NUL in them is how two readers are made to see two names. */
const NAME_KEYS: ReadonlySet<string> = new Set(["path", "linkpath", "GNU.sparse.name", "uname", "gname"]);
/** Digits of a record's length: records are bounded by the header that holds them. */
const LENGTH_DIGITS = 10;

/** Parses `LENGTH KEY=VALUE\n` records; an empty value takes back what was said before. Throws `malformed`. */
export function parsePax(bytes: Uint8Array): PaxRecords {
  const draft: Draft = {};
  for (let at = 0; at < bytes.length;) {
    const length = recordLength(bytes, at);
    if (length === undefined) throw malformedPax("holds a record whose length does not fit");
    const record = bytes.subarray(at + length.digits + 1, at + length.bytes - 1);
    const equals = record.indexOf(EQUALS);
    if (equals <= 0) throw malformedPax("holds a record without a key");
    const key = Buffer.from(record.subarray(0, equals)).toString();
    const value = record.subarray(equals + 1);
    if (NAME_KEYS.has(key) && value.includes(0)) throw malformedPax("holds NUL in a name");
    take(draft, key, value);
    at += length.bytes;
  }
  return recordsOf(draft);
}

function recordLength(bytes: Uint8Array, at: number): { readonly digits: number; readonly bytes: number } | undefined {
  const space = bytes.subarray(at, at + LENGTH_DIGITS + 1).indexOf(SPACE);
  const text = Buffer.from(bytes.subarray(at, at + Math.max(0, space))).toString("latin1");
  if (!/^\d+$/.test(text)) return undefined;
  const length = Number(text);
  const fits = length > space + 2 && at + length <= bytes.length && bytes[at + length - 1] === NEWLINE;
  return fits ? { digits: space, bytes: length } : undefined;
}

function take(draft: Draft, key: string, value: Uint8Array): void {
  if (value.length === 0) {
    if (key === "path" || key === "linkpath" || key === "size" || key === "mtime") delete draft[key];
    return;
  }
  if (key === "path" || key === "linkpath") draft[key] = value;
  else if (key === "size") draft.size = whole(value);
  else if (key === "mtime") draft.mtime = decimal(value);
  else if (key === "GNU.sparse.name") draft.name = value;
  else if (key === "GNU.sparse.major") draft.major = whole(value);
  else if (key === "GNU.sparse.minor") draft.minor = whole(value);
  else if (key === "GNU.sparse.size" || key === "GNU.sparse.realsize") draft.realSize = whole(value);
  else if (key === "GNU.sparse.map") draft.map = Buffer.from(value).toString("latin1").split(",").map(wholeText);
  else if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") (draft.map ??= []).push(whole(value));
  // Version 0.0 of an empty map names no place at all.
  else if (key === "GNU.sparse.numblocks") draft.map ??= [];
}

function recordsOf({ path, linkpath, size, mtime, major, minor, name, realSize, map }: Draft): PaxRecords {
  const isSparse = map !== undefined || major !== undefined;
  const sparse: PaxSparse = {
    ...(major !== undefined && { major }),
    ...(minor !== undefined && { minor }),
    ...(name !== undefined && { name }),
    ...(realSize !== undefined && { realSize }),
    ...(map !== undefined && { map }),
  };
  return {
    ...(path !== undefined && { path }),
    ...(linkpath !== undefined && { linkpath }),
    ...(size !== undefined && { size }),
    ...(mtime !== undefined && { mtime }),
    ...(isSparse && { sparse }),
  };
}

function whole(value: Uint8Array): number {
  return wholeText(Buffer.from(value).toString("latin1"));
}

function wholeText(text: string): number {
  return /^\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
}

/** A time that is none says nothing. */
function decimal(value: Uint8Array): number {
  const text = Buffer.from(value).toString("latin1");
  return /^-?\d{1,15}(?:\.\d*)?$/.test(text) ? Number(text) : 0;
}

function malformedPax(how: string): RiffleError {
  return new RiffleError("malformed", `an extended header ${how}`);
}
