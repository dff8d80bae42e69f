import { RiffleError } from "../../errors.ts";
import { validUtf8, viewOf } from "../binary.ts";

/** SQLite file format (sqlite.org/fileformat2.html), section 1.6: pages of a table's tree. */
const INTERIOR = 0x05;
const LEAF = 0x0d;
const INTERIOR_HEADER_BYTES = 12;
const LEAF_HEADER_BYTES = 8;

/** Section 2.6: a row of the schema table. */
export interface SchemaRow {
  /** `table`, `index`, `view` or `trigger`. */
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly sql: string | undefined;
}

export type Encoding = "utf-8" | "utf-16le" | "utf-16be";

export type SchemaPage =
  | { readonly kind: "leaf"; readonly rows: readonly SchemaRow[] }
  /** Numbers of the pages below, from 1. */
  | { readonly kind: "interior"; readonly children: readonly number[] };

function broken(what: string): RiffleError {
  return new RiffleError("malformed", `the schema of the SQLite database is broken: ${what}`);
}

/** Section 1.6, "varint": seven bits a byte, big-endian; the ninth byte counts whole. Only small ones are needed exactly. */
function varint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let step = 0; step < 9; step += 1) {
    const byte = bytes[at + step];
    if (byte === undefined) throw broken("a number is cut short");
    if (step === 8) return { value: value * 256 + byte, next: at + 9 };
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: at + step + 1 };
  }
  throw broken("a number is too long");
}

function textOf(bytes: Uint8Array, encoding: Encoding): string {
  if (encoding === "utf-8") return validUtf8(bytes) ?? Buffer.from(bytes).toString("latin1");
  if (encoding === "utf-16le") return Buffer.from(bytes).toString("utf16le");
  const even = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));
  return even.swap16().toString("utf16le");
}

/** Bytes of a value by its serial type (section 2.1). */
function widthOf(serial: number): number {
  if (serial >= 12) return Math.floor((serial - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][serial] ?? 0;
}

/**
 * The columns of a row that lie on its page: long texts go on elsewhere, and are given as far as they are here. `type`,
 * `name` and `tbl_name` come first.
 */
function parseRow(page: Uint8Array, start: number, encoding: Encoding): SchemaRow {
  const payload = varint(page, start);
  const rowid = varint(page, payload.next);
  const header = varint(page, rowid.next);
  const headerEnd = rowid.next + header.value;
  let at = headerEnd;
  const columns: (string | undefined)[] = [];
  for (let from = header.next; from < headerEnd && columns.length < 5;) {
    const serial = varint(page, from);
    const end = at + widthOf(serial.value);
    const isText = serial.value >= 13 && serial.value % 2 === 1;
    columns.push(
      isText && at <= page.length ? textOf(page.subarray(at, Math.min(end, page.length)), encoding) : undefined,
    );
    at = end;
    from = serial.next;
  }
  const [type = "", name = "", table = "", , sql] = columns;
  return { type, name, table, sql };
}

/** `offset`: where the page's header begins: 100 on page 1, whose first bytes are the file's header. Throws `malformed`. */
export function parseSchemaPage(
  page: Uint8Array,
  { offset, encoding }: { offset: number; encoding: Encoding },
): SchemaPage {
  const view = viewOf(page);
  const kind = view.getUint8(offset);
  if (kind !== LEAF && kind !== INTERIOR) throw broken(`a page of kind ${kind}`);
  const cells = view.getUint16(offset + 3, false);
  const pointers = offset + (kind === LEAF ? LEAF_HEADER_BYTES : INTERIOR_HEADER_BYTES);
  if (pointers + cells * 2 > page.length) throw broken(`a page of ${page.length} bytes counts ${cells} cells`);
  const places = Array.from({ length: cells }, (_, cell) => view.getUint16(pointers + cell * 2, false));
  if (places.some((place) => place + 4 > page.length)) throw broken("a cell lies outside its page");
  if (kind === LEAF) return { kind: "leaf", rows: places.map((place) => parseRow(page, place, encoding)) };
  const children = places.map((place) => view.getUint32(place, false));
  return { kind: "interior", children: [...children, view.getUint32(offset + 8, false)] };
}
