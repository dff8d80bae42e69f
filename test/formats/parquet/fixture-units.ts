import { readFileSync } from "node:fs";
import { join } from "node:path";
import { memorySource, type RangeSource } from "../../../src/bytes/source.ts";
import { FIXTURES } from "../../support/fixtures.ts";

export interface ColumnTruth {
  readonly type: string;
  readonly nulls: number;
  readonly sha256: string;
  readonly nan?: number;
  readonly min?: string;
  readonly max?: string;
  readonly sum?: string;
}

/** A Parquet unit of `expected.json`. */
export interface ParquetTruth {
  readonly path: string;
  readonly format: string;
  readonly outcome: string;
  readonly rows: number;
  readonly metadata: {
    readonly rows: number;
    readonly leaves: number;
    readonly rowGroups: readonly number[];
    readonly codecs: readonly string[];
    readonly columnIndexes: number;
    readonly offsetIndexes: number;
    readonly bloomFilters: number;
    readonly chunkRangesSha256: string;
  };
  readonly columns: Readonly<Record<string, ColumnTruth>>;
}

/** Those with the given outcome; none where there are no fixtures. */
export function parquetUnits(outcome: string): readonly ParquetTruth[] {
  if (FIXTURES === undefined) return [];
  // The file is made with the fixtures, in the shape above.
  const { files } = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
    readonly files: Readonly<Record<string, Omit<ParquetTruth, "path">>>;
  };
  return Object.entries(files)
    .filter(([, unit]) => unit.format === "parquet" && unit.outcome === outcome)
    .map(([path, unit]) => ({ path, ...unit }));
}

export function fixtureSource(path: string): RangeSource {
  return memorySource(path, readFileSync(join(FIXTURES ?? "", path)));
}
