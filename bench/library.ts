import { ROOT } from "../test/support/root.ts";
import type { Sample } from "./answers.ts";
import type { Bench } from "./context.ts";
import type { QueryResult, QueryTask } from "./probes/query.ts";
import { timedProgram } from "./timed-program.ts";
import { atMost, median, repeat, type Check, type PeerRow, type ScenarioResult } from "./scenario.ts";

/** What a query must move and ask for. `requests` are those for blob bytes, the index's among them. */
export interface Limits {
  readonly needed: number;
  readonly ratio: number;
  readonly requests: number;
}

/** One cold query by the library in a process of its own; a wrong answer is an error. */
export async function askLibrary(
  bench: Bench,
  task: Omit<QueryTask, "cacheDir">,
  right: { readonly count: number; readonly sum?: number },
): Promise<Sample> {
  const cacheDir = bench.freshFolder();
  const line = await timedProgram(bench, process.execPath, [
    `${ROOT}dist-tools/bench/probes/query.js`,
    JSON.stringify({ ...task, cacheDir }),
  ]);
  // printed by that program
  const { ms, count, sum } = JSON.parse(line) as QueryResult;
  if (count !== right.count || (right.sum !== undefined && Math.abs(sum - right.sum) > 1e-6 * Math.abs(right.sum)))
    throw new Error(`the library's answer is wrong: ${count} and ${sum}, not ${right.count} and ${right.sum ?? "any"}`);
  const { kinds } = await bench.registry.counters();
  return { ms, ...kinds.blob };
}

export async function queryResult(
  bench: Bench,
  work: {
    readonly one: () => Promise<Sample>;
    readonly limits: Limits;
    readonly peers?: readonly PeerRow[];
    readonly rival?: string;
  },
): Promise<ScenarioResult> {
  const { limits, peers = [] } = work;
  const rival = peers.find(({ name }) => name === work.rival);
  const samples = await repeat(bench.runs, work.one);
  const bytes = Math.max(...samples.map((sample) => sample.bytes));
  const requests = Math.max(...samples.map((sample) => sample.requests));
  const ms = median(samples.map((sample) => sample.ms));
  const checks: Check[] = [
    atMost("count", {
      what: "blob bytes to those needed",
      value: bytes / limits.needed,
      limit: limits.ratio,
      unit: "x",
    }),
    atMost("count", { what: "blob requests", value: requests, limit: limits.requests }),
    ...(rival === undefined
      ? []
      : [
          atMost("aim", {
            what: `ms, to ${rival.name}'s and a round trip`,
            value: ms,
            limit: rival.ms + bench.latencyMs,
          }),
        ]),
  ];
  return {
    checks,
    facts: { ms, bytes, requests, needed: limits.needed },
    peers: [{ name: "riffle, library", ms, requests, bytes }, ...peers],
    notes: ["each in a process that has answered the same of a small file; riffle's times are with the manifest"],
  };
}
