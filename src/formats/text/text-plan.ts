import type { RangeSource } from "../../bytes/source.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import { readPlan } from "../read-plan.ts";
import type { TableQuery } from "../table.ts";

export interface TextPlan {
  /** Bytes of the first block, which were read to know the columns. */
  readonly firstBytes: number;
  /** Rows that the first block holds whole. */
  readonly rowsAtHand: number;
  readonly query: TableQuery;
  readonly options: FormatOptions;
}

/** All of the file, unless the first block satisfies a limit: where else a limit ends the reading only reading tells. */
export function textPlan(source: RangeSource, { firstBytes, rowsAtHand, query, options }: TextPlan): ReadPlan {
  const isMet = query.where === undefined && query.limit !== undefined && query.limit <= rowsAtHand;
  const rest = { start: firstBytes, end: source.size };
  const ranges = isMet || rest.start >= rest.end ? [] : [{ range: rest, purpose: "rows" }];
  return readPlan({ ranges, indexBytes: firstBytes }, options);
}
