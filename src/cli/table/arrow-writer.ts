import { AsyncByteQueue, RecordBatch, RecordBatchStreamWriter, type Schema } from "apache-arrow";
import type { ByteOutput } from "./text-buffer.ts";
import type { TableWriter } from "./table-writer.ts";

/** An Arrow IPC stream: the schema, dictionaries where they change, batches, the end mark. Values pass through as they are. */
export function arrowWriter(output: ByteOutput, schema: Schema): TableWriter {
  const parts: Uint8Array[] = [];
  const sink = new AsyncByteQueue();
  // The package's queue would fill without end: what it is given is taken out after every batch instead.
  sink.write = (part) => {
    if (part instanceof Uint8Array) parts.push(part);
    else if (ArrayBuffer.isView(part)) parts.push(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  };
  const writer = new RecordBatchStreamWriter({ autoDestroy: false });
  const drain = async (): Promise<void> => {
    const bytes = Buffer.concat(parts.splice(0));
    if (bytes.length > 0) await output.bytes(bytes);
  };
  return {
    begin: async () => {
      writer.reset(sink, schema);
      await drain();
    },
    batch: async (batch) => {
      // The writer begins a new stream when a batch's schema differs from the one announced, be it in nullability alone.
      writer.write(new RecordBatch(schema, batch.data));
      await drain();
      return true;
    },
    end: async () => {
      writer.finish();
      await drain();
    },
  };
}
