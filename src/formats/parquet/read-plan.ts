import { mergeRanges, type ByteRange } from "../../bytes/range.ts";
import type { ReadOptions } from "../../bytes/source.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import { mergeByDefault } from "../read-plan.ts";
import { columnReads } from "./column-read.ts";
import { leafNode, type TypedFile } from "./parquet-file.ts";
import { prune } from "./prune.ts";
import type { ParquetQuery } from "./query.ts";

interface Explain {
  readonly query: ParquetQuery;
  readonly options: ReadOptions;
  readonly merge: FormatOptions["merge"];
}

/**
 * What the query reads at most: the columns that decide, and the others in all rows that index and statistics leave. Those of rows that
 * turn out not to match are then not read.
 */
export async function explain(file: TypedFile, { query, options, merge }: Explain): Promise<ReadPlan> {
  const nothing = { groups: [], pruned: [], index: [] };
  const { groups, pruned, index } = query.limit > 0 ? await prune(file, { query, ...options }) : nothing;
  const leaves = [...new Set([...query.early, ...query.late])];
  const found = groups.flatMap((group) => columnReads(file, { ...group, leaves }));
  const ranges = found.flatMap(({ group, leaves: reads }) =>
    reads.flatMap(({ leaf, whole, ranges: own }) => {
      const purpose = `${whole ? "" : "pages of "}column ${leafNode(file, leaf).name}, row group ${group}`;
      return own.map((range) => ({ range, purpose }));
    }),
  );
  const plain = ranges.map(({ range }) => range);
  const requests = (merge ?? mergeByDefault)(plain);
  const { tail, range: footer } = file.footer;
  const read = [...index, { start: footer.start, end: file.source.size }];
  return {
    ranges,
    bytesNeeded: total(mergeRanges([...plain, ...read])),
    bytesFetched:
      total(requests) + tail.bytes.length + total(mergeRanges(index.filter(({ start }) => start < tail.start))),
    requests: requests.length,
    pruned,
  };
}

function total(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}
