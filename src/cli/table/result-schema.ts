import type { DataType, RecordBatch, Schema } from "apache-arrow";
import type { TableMetadata, TableQuery } from "../../formats/table.ts";

/** Batches, and the schema that all of them have. */
export interface Result {
  readonly schema: Schema;
  readonly batches: AsyncIterable<RecordBatch>;
}

/**
 * Looks at the first batch for the schema of a result. Where no row is left there is no batch: then it is told from the
 * metadata, in which types other than numbers, text and dates come out as `Null`.
 */
export async function resultOf(
  batches: AsyncIterable<RecordBatch>,
  asked: { readonly metadata: TableMetadata; readonly query: TableQuery },
): Promise<Result> {
  const iterator = batches[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return { schema: await emptySchema(asked), batches: none() };
  return { schema: first.value.schema, batches: resumed(iterator, first.value) };
}

async function* none(): AsyncGenerator<RecordBatch> {}

async function* resumed(iterator: AsyncIterator<RecordBatch>, first: RecordBatch): AsyncGenerator<RecordBatch> {
  try {
    yield first;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

async function emptySchema({
  metadata,
  query,
}: {
  readonly metadata: TableMetadata;
  readonly query: TableQuery;
}): Promise<Schema> {
  const arrow = await import("apache-arrow");
  const plain: Readonly<Record<string, () => DataType>> = {
    Bool: () => new arrow.Bool(),
    Int8: () => new arrow.Int8(),
    Int16: () => new arrow.Int16(),
    Int32: () => new arrow.Int32(),
    Int64: () => new arrow.Int64(),
    Uint8: () => new arrow.Uint8(),
    Uint16: () => new arrow.Uint16(),
    Uint32: () => new arrow.Uint32(),
    Uint64: () => new arrow.Uint64(),
    Float16: () => new arrow.Float16(),
    Float32: () => new arrow.Float32(),
    Float64: () => new arrow.Float64(),
    Utf8: () => new arrow.Utf8(),
    LargeUtf8: () => new arrow.LargeUtf8(),
    Binary: () => new arrow.Binary(),
    "Date32<DAY>": () => new arrow.DateDay(),
  };
  const columns = new Map(metadata.columns.map((column) => [column.name, column]));
  const names = query.columns ?? [...columns.keys()];
  return new arrow.Schema(
    names.map((name) => {
      const column = columns.get(name);
      const type = plain[column?.type ?? ""]?.() ?? new arrow.Null();
      return new arrow.Field(name, type, column?.nullable ?? true);
    }),
  );
}
