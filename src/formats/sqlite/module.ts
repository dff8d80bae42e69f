import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, viewOf } from "../binary.ts";
import { NO_EXTENTS } from "../extents.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { startsWith } from "../magic.ts";
import { parseSchemaPage, type Encoding, type SchemaRow } from "./schema.ts";

/** SQLite file format, section 1.3. */
const HEADER_BYTES = 100;
const FIRST_READ_BYTES = 64 * 1024;
const ENCODINGS: Readonly<Record<number, Encoding>> = { 1: "utf-8", 2: "utf-16le", 3: "utf-16be" };
/** Section 1.3.15 and the lists of applications: what a database is for. */
const APPLICATIONS: Readonly<Record<string, string>> = {
  GPKG: "GeoPackage",
  GP10: "GeoPackage",
  GP11: "GeoPackage",
  MPBX: "MBTiles",
};

/** A schema on more pages, or on three levels, is described in part. */
const MAX_SCHEMA_PAGES = 64;
const SHOWN_TABLES = 500;

interface SqliteHeader {
  readonly pageBytes: number;
  readonly pages: number;
  readonly freePages: number;
  readonly encoding: Encoding;
  readonly isWal: boolean;
  readonly userVersion: number;
  readonly application: string;
  readonly library: string;
}

function parseHeader(bytes: Uint8Array, size: number): SqliteHeader {
  if (!startsWith(bytes, "SQLite format 3\0"))
    throw new RiffleError("malformed", "not a SQLite database: its magic is missing");
  if (bytes.length < HEADER_BYTES) throw new RiffleError("malformed", "the SQLite database is cut short in its header");
  const view = viewOf(bytes);
  const stored = view.getUint16(16, false);
  // 65,536 does not fit in the field.
  const pageBytes = stored === 1 ? 65_536 : stored;
  if (pageBytes < 512 || !Number.isInteger(Math.log2(pageBytes))) {
    throw new RiffleError("malformed", `the SQLite database is broken: pages of ${pageBytes} bytes`);
  }
  // The count in the header is only kept by newer libraries: they then copy the change counter.
  const isCounted = view.getUint32(24, false) === view.getUint32(92, false) && view.getUint32(28, false) > 0;
  const version = view.getUint32(96, false);
  const library = [version / 1e6, (version / 1000) % 1000, version % 1000].map(Math.floor).join(".");
  return {
    pageBytes,
    pages: isCounted ? view.getUint32(28, false) : Math.floor(size / pageBytes),
    freePages: view.getUint32(36, false),
    encoding: ENCODINGS[view.getUint32(56, false)] ?? "utf-8",
    isWal: view.getUint8(19) === 2,
    userVersion: view.getUint32(60, false),
    application: latin1(bytes, 68, 72),
    library: version === 0 ? "" : library,
  };
}

/** Rows of the schema, and whether all of them. Page 1 is in `first`; pages below it are read together. */
async function readSchema(
  source: RangeSource,
  { header, first, options }: { header: SqliteHeader; first: Uint8Array; options: FormatOptions },
): Promise<{ rows: readonly SchemaRow[]; isComplete: boolean }> {
  const { pageBytes, encoding } = header;
  const top = parseSchemaPage(first.subarray(0, pageBytes), { offset: HEADER_BYTES, encoding });
  if (top.kind === "leaf") return { rows: top.rows, isComplete: true };
  const numbers = top.children.slice(0, MAX_SCHEMA_PAGES);
  const ranges = numbers.map((number) => ({ start: (number - 1) * pageBytes, end: number * pageBytes }));
  if (ranges.some(({ start, end }) => start < pageBytes || end > source.size)) {
    throw new RiffleError("malformed", "the schema of the SQLite database is broken: a page of it is not there");
  }
  const pages = (await source.readMany(ranges, options)).map((page) => parseSchemaPage(page, { offset: 0, encoding }));
  const rows = pages.flatMap((page) => (page.kind === "leaf" ? page.rows : []));
  return { rows, isComplete: numbers.length === top.children.length && pages.every(({ kind }) => kind === "leaf") };
}

/** One request of 64 KiB; one round trip more where the schema does not fit on the first page. */
async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const how = { priority: "metadata" as const, ...options };
  const first = await source.read({ start: 0, end: Math.min(source.size, FIRST_READ_BYTES) }, how);
  const header = parseHeader(first, source.size);
  if (first.length < header.pageBytes)
    throw new RiffleError("malformed", "the SQLite database is cut short in its first page");
  const { rows, isComplete } = await readSchema(source, { header, first, options: how });
  const named = (type: string): readonly string[] => rows.filter((row) => row.type === type).map(({ name }) => name);
  const tables = rows.filter(({ type }) => type === "table" || type === "view");
  const application = APPLICATIONS[header.application];
  return {
    format: "sqlite",
    title: application === undefined ? "SQLite database" : `${application} (SQLite)`,
    facts: {
      pageBytes: header.pageBytes,
      pages: header.pages,
      freePages: header.freePages,
      encoding: header.encoding,
      userVersion: header.userVersion,
      ...(header.library !== "" && { writtenBy: `SQLite ${header.library}` }),
      tableCount: named("table").length,
      viewCount: named("view").length,
      indexCount: named("index").length,
      tables: tables.slice(0, SHOWN_TABLES).map(({ name, type }) => ({ name, type })),
    },
    notes: [
      ...(isComplete ? [] : ["the schema is large: only a part of it was looked at"]),
      ...(tables.length > SHOWN_TABLES ? [`the first ${SHOWN_TABLES} of ${tables.length} tables are shown`] : []),
      ...(header.isWal ? ["in WAL mode: programs want to write beside it, unless it is opened as immutable"] : []),
      ...(header.pages * header.pageBytes > source.size ? ["cut short: pages are missing at its end"] : []),
    ],
  };
}

/** Pages are small, and which of them follow each other is only known from reading them. */
export const sqlite: FormatModule = { info, extents: () => Promise.resolve(NO_EXTENTS) };
