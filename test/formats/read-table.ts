import { Schema, type RecordBatch } from "apache-arrow";
import type { TableQuery, TableReader } from "../../src/formats/table.ts";
import { written } from "../cli/table/written.ts";

/** A query's result as CSV, the schema taken from its first batch; "" where there is none. */
export async function readCsv(reader: TableReader, query: TableQuery = {}): Promise<string> {
  return (await readAs(reader, { query, format: "csv" })).toString();
}

/** A query's result as objects, integers beyond 2^53 rounded. */
export async function readRows(reader: TableReader, query: TableQuery = {}): Promise<readonly unknown[]> {
  const text = (await readAs(reader, { query, format: "json" })).toString();
  return JSON.parse(text) as unknown[];
}

async function readAs(
  reader: TableReader,
  { query, format }: { query: TableQuery; format: "csv" | "json" },
): Promise<Buffer> {
  const batches: RecordBatch[] = [];
  for await (const batch of reader.scan(query)) batches.push(batch);
  const schema = batches[0]?.schema ?? new Schema([]);
  return written(batches, { schema, format });
}
