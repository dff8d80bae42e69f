import { RiffleError } from "../../errors.ts";
import { walkPages } from "./pages.ts";
import { editStruct, ThriftWriter } from "./thrift-writer.ts";
import { THRIFT } from "./thrift.ts";

const MAGIC = Buffer.from("PAR1");
/** Bytes of `body` before the first page. */
export const MINI_START: number = MAGIC.length;
/** FIXED_LEN_BYTE_ARRAY, as which INT96 is decoded: both are bare bytes. */
const FIXED_LEN_BYTE_ARRAY = 7;

/** A column chunk, or some of its pages, in the body of a small file. */
export interface MiniColumn {
  /** For messages. */
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** ColumnMetaData as the file has it. */
  readonly metadata: Uint8Array;
  /** Of the whole chunk; undefined where only some of its pages are here. */
  readonly values: number | undefined;
  /** Not in or below anything repeated: a value for each row. */
  readonly flat: boolean;
  readonly int96: boolean;
}

/** A Parquet file of one row group, or of none, still without its footer. */
export interface MiniFile {
  /** `PAR1` and the pages, column after column; it may be longer than that. */
  readonly body: Uint8Array;
  readonly columns: readonly MiniColumn[];
  /** The structs of the schema, root first. */
  readonly schema: readonly Uint8Array[];
  /** KeyValue structs. */
  readonly keyValues: readonly Uint8Array[];
  readonly createdBy: string;
  readonly rows: number;
  /** How many of them are wanted, from the first. */
  readonly take: number;
  /** A column that would decode to more is refused. */
  readonly maxBytes: number;
}

/** Offsets of other things in the file, and what speaks of all of the chunk. */
const DROPPED = new Set([8, 10, 12, 13, 14, 15, 16, 17]);

/** Writes the footer that makes a whole file of chosen pages; every page is checked on the way. */
export function finishMiniFile(mini: MiniFile): Uint8Array {
  const chunks = mini.columns.map((column) => miniChunk(column, mini));
  const bytes = mini.columns.reduce((sum, { start, end }) => sum + end - start, 0);
  const group = new ThriftWriter()
    .structs(1, chunks)
    .number(2, { type: "i64", value: bytes })
    .number(3, { type: "i64", value: mini.rows })
    .end();
  const writer = new ThriftWriter()
    .number(1, { type: "i32", value: 1 })
    .structs(2, mini.schema)
    .number(3, { type: "i64", value: mini.rows })
    .structs(4, mini.columns.length === 0 ? [] : [group]);
  if (mini.keyValues.length > 0) writer.structs(5, mini.keyValues);
  const footer = writer.binary(6, Buffer.from(mini.createdBy)).end();
  return withFooter(mini, footer);
}

function withFooter(mini: MiniFile, footer: Uint8Array): Uint8Array {
  const end = mini.columns.reduce((last, column) => Math.max(last, column.end), MINI_START);
  const file = new Uint8Array(end + footer.length + 8);
  file.set(mini.body.subarray(0, end));
  file.set(MAGIC);
  file.set(footer, end);
  new DataView(file.buffer).setUint32(end + footer.length, footer.length, true);
  file.set(MAGIC, end + footer.length + 4);
  return file;
}

function miniChunk(column: MiniColumn, { body, rows, maxBytes }: MiniFile): Uint8Array {
  const { what, start, end, values: expected } = column;
  const pages = walkPages(body.subarray(start, end), { what, values: expected, maxBytes });
  const data = pages.filter((page) => page.kind === "data");
  const values = data.reduce((sum, page) => sum + page.values, 0);
  if (column.flat && values !== rows) {
    throw new RiffleError("malformed", `${what} has ${values} values where there are ${rows} rows`);
  }
  const dictionary = pages.find((page) => page.kind === "dictionary");
  const first = data[0];
  if (dictionary !== undefined && first !== undefined && dictionary.start > first.start) {
    throw new RiffleError("malformed", `${what} has its dictionary behind its data`);
  }
  const metadata = editStruct(column.metadata, {
    drop: dictionary === undefined ? new Set([...DROPPED, 11]) : DROPPED,
    set: {
      ...(column.int96 ? { 1: { type: "i32", value: FIXED_LEN_BYTE_ARRAY } } : {}),
      5: { type: "i64", value: values },
      6: { type: "i64", value: pages.reduce((sum, page) => sum + page.uncompressedBytes, 0) },
      7: { type: "i64", value: pages.reduce((sum, page) => sum + page.end - page.start, 0) },
      9: { type: "i64", value: start + (first?.start ?? 0) },
      ...(dictionary === undefined ? {} : { 11: { type: "i64", value: start + dictionary.start } }),
    },
  });
  return new ThriftWriter().number(2, { type: "i64", value: 0 }).field(3, THRIFT.struct).raw(metadata).end();
}
