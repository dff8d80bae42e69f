import type { Data, RecordBatch } from "apache-arrow";

/** The values of a batch's column. A batch has one piece of data for each field of its schema. */
export function batchData(batch: RecordBatch, column: number): Data {
  const data = batch.data.children[column];
  if (data === undefined) throw new Error(`a record batch without its column ${column}`);
  return data;
}
