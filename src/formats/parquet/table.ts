import { setMaxListeners } from "node:events";
import { Schema, type DataType, type Field } from "apache-arrow";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { extentRanges } from "../extents.ts";
import { extentTable } from "../extents.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import { jointSource } from "../joint-source.ts";
import type { TableColumn, TableQuery, TableReader } from "../table.ts";
import { decodeSchema } from "./decode-columns.ts";
import { DecodeThread } from "./decode-thread.ts";
import { fileExtents } from "./extents.ts";
import { readFooter } from "./footer.ts";
import { parseMetadata } from "./metadata.ts";
import { ARROW_SCHEMA } from "./mini-schema.ts";
import { parquetFile, type TypedFile } from "./parquet-file.ts";
import type { OutputColumn } from "./projection.ts";
import { fitQuery } from "./query.ts";
import { explain } from "./read-plan.ts";
import { scanRows } from "./scan.ts";

const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;
/** Of the bytes that may be held, what the decoder may take: the rest is for what goes in and comes out. */
const DECODER_SHARE = 0.75;
/** With less it cannot even say what the columns are. */
const MIN_DECODER_BYTES = 64 * 1024 * 1024;

/**
 * Opens a Parquet file: its footer in one read or two. Columns come in Arrow's plain types (no dictionaries, no views, 32-bit offsets),
 * INT96 as timestamps. A batch is (a part of) a row group; batches are built in a thread, which `close` ends unless it is shared.
 */
export async function parquetTable(source: RangeSource, options: FormatOptions = {}): Promise<TableReader> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const maxMemoryBytes = Math.max(MIN_DECODER_BYTES, Math.floor(maxBytes * DECODER_SHARE));
  const make = (): DecodeThread => new DecodeThread({ maxMemoryBytes });
  const shared = options.threads?.get(`parquet ${maxMemoryBytes}`, make);
  const thread = shared ?? make();
  try {
    thread.warm();
    const footer = await readFooter(source, options);
    const metadata = parseMetadata(footer.bytes, source.size);
    const planned = options.merge === undefined ? jointSource(source) : source;
    const file = parquetFile(planned, { footer, metadata, thread, maxBytes });
    const schema = withMetadata(await decodeSchema(file, options.signal), metadata.keyValues);
    return reader(
      { ...file, schema },
      { ...options, end: async () => (shared === undefined ? thread.close() : undefined) },
    );
  } catch (error) {
    if (shared === undefined) await thread.close();
    throw error;
  }
}

function reader(file: TypedFile, options: FormatOptions & { readonly end: () => Promise<void> }): TableReader {
  let closed = false;
  const open = (how: ReadOptions | undefined): ReadOptions => {
    if (closed) throw new RiffleError("closed", "this table was closed");
    const signal = how?.signal ?? options.signal;
    const priority = how?.priority ?? options.priority;
    return { ...(signal === undefined ? {} : { signal }), ...(priority === undefined ? {} : { priority }) };
  };
  const close = async (): Promise<void> => {
    closed = true;
    await options.end();
  };
  return {
    metadata: {
      format: "parquet",
      columns: file.schema.fields.map((field) => tableColumn(field)),
      rows: file.metadata.rows,
    },
    extents: () => extentRanges(extentTable(fileExtents(file.metadata, new Map()), file.source.size)),
    plan: async (query, how): Promise<ReadPlan> =>
      explain(file, { query: fitQuery(file, query), options: open(how), merge: options.merge }),
    scan: (query, how) => scan(file, { query, roundTripBytes: options.roundTripBytes?.() ?? 0, options: open(how) }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Scan {
  readonly query: TableQuery;
  readonly roundTripBytes: number;
  readonly options: ReadOptions;
}

async function* scan(file: TypedFile, { query, options, roundTripBytes }: Scan): ReturnType<TableReader["scan"]> {
  const fitted = fitQuery(file, query);
  // Whatever was begun ahead ends with the iteration, also with one that ends early.
  const over = new AbortController();
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal]);
  // Every read and every decoding listens.
  setMaxListeners(0, signal);
  try {
    const schema = outputSchema(file.schema, fitted.output);
    for await (const batch of scanRows(file, {
      query: fitted,
      schema,
      roundTripBytes,
      options: { ...options, signal },
    })) {
      // What was decoded ahead of the closing would come as if nothing had been.
      file.thread.throwIfClosed();
      yield batch;
    }
  } finally {
    over.abort();
  }
}

function outputSchema(schema: Schema, output: readonly OutputColumn[]): Schema {
  const fields = output.flatMap(({ name, top, path }) => {
    const around = schema.fields[top];
    return around === undefined ? [] : [fieldBelow(around, { name, path })];
  });
  return new Schema(fields, schema.metadata);
}

function fieldBelow(field: Field, { name, path }: { readonly name: string; readonly path: readonly string[] }): Field {
  const found = path.reduce<{ readonly field: Field; readonly nullable: boolean }>(
    (at, part) => {
      const child = (at.field.type as DataType).children.find((one) => one.name === part) ?? at.field;
      return { field: child, nullable: at.nullable || child.nullable };
    },
    { field, nullable: field.nullable },
  );
  return found.field.clone({ name, nullable: found.nullable });
}

function tableColumn(field: Field): TableColumn {
  return { name: field.name, type: String(field.type), nullable: field.nullable };
}

function withMetadata(
  schema: Schema,
  keyValues: readonly { readonly key: string; readonly value: string | undefined }[],
): Schema {
  const words = keyValues
    .filter(({ key }) => key !== ARROW_SCHEMA)
    .map(({ key, value }) => [key, value ?? ""] as const);
  return new Schema(schema.fields, new Map(words));
}
