import type { ReadPlan } from "../../formats/format.ts";
import type { Context } from "../command.ts";
import { formatBytes } from "../quantities.ts";

/** A query as it was asked, for people and scripts: plain JSON values. */
export type QueryWords = Readonly<Record<string, unknown>>;

export interface Explained {
  readonly file: string;
  readonly query: QueryWords;
  readonly plan: ReadPlan;
  /** Bytes of the file, or of all files of the table; undefined where nobody counted. */
  readonly size?: number | undefined;
}

/** More lines say nothing to a person; `--json` has all. */
const RANGES_SHOWN = 20;

/** `--explain`: what the query would read. `--json`: the plan with `file` and `query` (INTERFACE section 4). */
export async function explain(context: Pick<Context, "out" | "settings">, explained: Explained): Promise<void> {
  const { file, query, plan } = explained;
  if (context.settings.json) {
    const { ranges, bytesNeeded, bytesFetched, requests, pruned } = plan;
    await context.out.line(JSON.stringify({ file, query, ranges, bytesNeeded, bytesFetched, requests, pruned }));
    return;
  }
  for (const line of explainLines(explained)) await context.out.line(line);
}

export function explainLines({ file, query, plan, size }: Explained): readonly string[] {
  const words = Object.entries(query).map(([name, value]) => `${name} ${wordOf(value)}`);
  const share =
    size === undefined || size === 0 ? "" : ` of ${formatBytes(size)} (${percent(plan.bytesFetched, size)})`;
  return [
    `file      ${file}`,
    `query     ${words.length === 0 ? "everything" : words.join("; ")}`,
    `requests  ${plan.requests}, after those for the index`,
    `bytes     ${formatBytes(plan.bytesNeeded)} needed, ${formatBytes(plan.bytesFetched)} fetched${share}`,
    ...plan.pruned.map(({ what, total, kept }) => `pruned    ${what}: ${total - kept} of ${total}, ${kept} kept`),
    `ranges    ${plan.ranges.length}`,
    ...plan.ranges.slice(0, RANGES_SHOWN).map(({ range: { start, end }, purpose }) => {
      return `  [${start}, ${end})  ${formatBytes(end - start)}  ${purpose}`;
    }),
    ...(plan.ranges.length > RANGES_SHOWN ? [`  and ${plan.ranges.length - RANGES_SHOWN} more`] : []),
  ];
}

function wordOf(value: unknown): string {
  return typeof value === "object" && value !== null ? Object.values(value).join(",") : String(value);
}

function percent(part: number, whole: number): string {
  const share = (100 * part) / whole;
  return `${share >= 10 ? share.toFixed(0) : share.toPrecision(2)} %`;
}
