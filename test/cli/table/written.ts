import type { RecordBatch, Schema } from "apache-arrow";
import { writeTable, type WriteTableOptions } from "../../../src/cli/table/write-table.ts";

/** What a writer writes of these batches. */
export async function written(
  batches: Iterable<RecordBatch> | AsyncIterable<RecordBatch>,
  { schema, format, ...rest }: { schema: Schema } & Pick<WriteTableOptions, "format" | "view">,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const output = {
    bytes: async (bytes: Uint8Array): Promise<void> => {
      parts.push(bytes);
    },
  };
  const stream = async function* (): AsyncGenerator<RecordBatch> {
    yield* batches;
  };
  await writeTable(stream(), { output, schema, format, ...rest });
  return Buffer.concat(parts);
}
