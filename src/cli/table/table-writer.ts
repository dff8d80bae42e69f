import type { RecordBatch } from "apache-arrow";

/** One form of output. `batch` answers false when it wants no more. */
export interface TableWriter {
  begin(): Promise<void>;
  batch(batch: RecordBatch): Promise<boolean>;
  end(): Promise<void>;
}
