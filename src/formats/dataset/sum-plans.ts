import type { ReadPlan } from "../format.ts";

/** One plan of many: the sums, ranges under the names of their files, and first what partitions left out. */
export function sumPlans(
  plans: readonly { readonly path: string; readonly plan: ReadPlan }[],
  files: { readonly total: number; readonly kept: number },
): ReadPlan {
  const sum = (of: (plan: ReadPlan) => number): number => plans.reduce((total, { plan }) => total + of(plan), 0);
  const pruned = new Map<string, { total: number; kept: number }>();
  for (const { plan } of plans) {
    for (const { what, total, kept } of plan.pruned) {
      const before = pruned.get(what) ?? { total: 0, kept: 0 };
      pruned.set(what, { total: before.total + total, kept: before.kept + kept });
    }
  }
  return {
    ranges: plans.flatMap(({ path, plan }) =>
      plan.ranges.map(({ range, purpose }) => ({ range, purpose: `${path}: ${purpose}` })),
    ),
    bytesNeeded: sum((plan) => plan.bytesNeeded),
    bytesFetched: sum((plan) => plan.bytesFetched),
    requests: sum((plan) => plan.requests),
    pruned: [{ what: "files by partition", ...files }, ...[...pruned].map(([what, counts]) => ({ what, ...counts }))],
  };
}
