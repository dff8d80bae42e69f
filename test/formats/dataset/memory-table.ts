import {
  Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  vectorFromArray,
  type DataType,
  type Vector,
} from "apache-arrow";
import { bindPredicate } from "../../../src/formats/predicate/bind-predicate.ts";
import { matchRows } from "../../../src/formats/predicate/match-rows.ts";
import { takeRows, trueRows } from "../../../src/formats/predicate/take-rows.ts";
import type { TableReader } from "../../../src/formats/table.ts";
import { typeName } from "../../../src/formats/predicate/domain.ts";

/** One batch of columns of equal length. */
export function batchOf(columns: Readonly<Record<string, Vector>>): RecordBatch {
  const fields = Object.entries(columns).map(([name, vector]) => new Field(name, vector.type as DataType, true));
  const children = Object.values(columns).map((vector) => {
    const [data] = vector.data;
    if (data === undefined) throw new Error("a column has no data");
    return data;
  });
  const length = children[0]?.length ?? 0;
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

/** Arrow's own `select` mixes columns up when their order changes. */
function selected(batch: RecordBatch, names: readonly string[]): RecordBatch {
  const places = names.map((name) => batch.schema.fields.findIndex((field) => field.name === name));
  const fields = places.flatMap((place) => batch.schema.fields.slice(place, place + 1));
  const children = places.flatMap((place) => batch.data.children.slice(place, place + 1));
  const data = makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children });
  return new RecordBatch(new Schema(fields), data);
}

/** A table in memory. `told` hears what is asked of it. */
export function memoryTable(batch: RecordBatch, told: (what: string) => void = () => undefined): TableReader {
  const { fields } = batch.schema;
  const close = async (): Promise<void> => told("close");
  return {
    metadata: {
      format: "parquet",
      columns: fields.map(({ name, type, nullable }) => ({ name, type: typeName(type as DataType), nullable })),
      rows: batch.numRows,
    },
    extents: () => [],
    async plan(query) {
      told(`plan ${query.columns?.join() ?? "*"}`);
      const bytes = 100 * (query.columns?.length ?? fields.length);
      return {
        ranges: [{ range: { start: 0, end: bytes }, purpose: "columns" }],
        bytesNeeded: bytes,
        bytesFetched: bytes + 10,
        requests: 1,
        pruned: [{ what: "row groups by statistics", total: 3, kept: 2 }],
      };
    },
    async *scan(query) {
      told(`scan ${query.columns?.join() ?? "*"}${query.limit === undefined ? "" : ` limit ${query.limit}`}`);
      const names = query.columns ?? fields.map((field) => field.name);
      const kept =
        query.where === undefined
          ? Uint32Array.from({ length: batch.numRows }, (_, i) => i)
          : trueRows(matchRows(bindPredicate(query.where, batch.schema), batch));
      const rows = takeRows(selected(batch, names), kept.subarray(0, query.limit ?? kept.length));
      if (rows.numRows > 0) yield rows;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

export { vectorFromArray };
