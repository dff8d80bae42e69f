import { readFileSync } from "node:fs";
import { query } from "../test/support/data.ts";

/** Of the chunks of a Parquet file: those of these columns (all, when absent), in these row groups (all, when absent). */
export interface ChunkChoice {
  readonly columns?: readonly string[];
  readonly groups?: readonly number[];
}

/** Bytes that a reader of these chunks cannot do without: them, and the footer once. */
export async function parquetBytes(path: string, choice: ChunkChoice = {}): Promise<number> {
  const quoted = choice.columns?.map((name) => `'${name}'`).join(", ");
  const wanted = [
    quoted === undefined ? "true" : `path_in_schema IN (${quoted})`,
    choice.groups === undefined ? "true" : `row_group_id IN (${choice.groups.join(", ")})`,
  ].join(" AND ");
  const rows = await query(
    `SELECT coalesce(sum(total_compressed_size), 0)::BIGINT::VARCHAR AS bytes FROM parquet_metadata('${path}') WHERE ${wanted}`,
  );
  return Number(rows[0]?.["bytes"]) + footerBytes(path);
}

/** Row groups of which statistics say that `column` may lie in a range. */
export async function parquetGroups(
  path: string,
  { column, low, high }: { readonly column: string; readonly low: number; readonly high: number },
): Promise<readonly number[]> {
  const rows = await query(
    `SELECT row_group_id::INTEGER AS id FROM parquet_metadata('${path}') WHERE path_in_schema = '${column}'
      AND stats_max_value::BIGINT >= ${low} AND stats_min_value::BIGINT <= ${high} ORDER BY id`,
  );
  return rows.map((row) => Number(row["id"]));
}

export async function parquetGroupCount(path: string): Promise<number> {
  const rows = await query(`SELECT num_row_groups::INTEGER AS count FROM parquet_file_metadata('${path}')`);
  return Number(rows[0]?.["count"]);
}

/** Thrift's metadata, its length and the magic. */
function footerBytes(path: string): number {
  return readFileSync(path).subarray(-8).readUInt32LE(0) + 8;
}
