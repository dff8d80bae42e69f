import type { Predicate } from "../predicate/predicate.ts";

/** One file that a query has to look into. */
export interface DatasetFile {
  readonly path: string;
  /** What is left of the predicate where the partition columns are constants. */
  readonly where: Predicate | undefined;
  readonly values: readonly (string | undefined)[];
}
