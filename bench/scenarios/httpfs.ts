import { join } from "node:path";
import { fileSpec } from "../answers.ts";
import type { Bench } from "../context.ts";
import { smallTablePath, TABLE, tablePath } from "../data.ts";
import { askDuckdb, pythonTools, type DuckdbAnswer } from "../duckdb-python.ts";
import { atMost, median, repeat, type Check, type PeerRow, type Scenario, type ScenarioResult } from "../scenario.ts";

interface Cost extends DuckdbAnswer {
  readonly requests: number;
  readonly bytes: number;
}

/** The same DuckDB, once over a new mount and once over plain HTTP; both cold, the query alone timed. */
async function pair(
  bench: Bench,
  question: { readonly python: string; readonly reference: string; readonly sql: string; readonly warm: string },
): Promise<{ readonly mount: Cost; readonly httpfs: Cost }> {
  const { python, reference, sql, warm } = question;
  await bench.registry.reset();
  const mounted = await bench.mount(reference);
  const overMount = await askDuckdb(python, { file: join(mounted.path, TABLE), sql, warm });
  await mounted.unmount();
  const mount = await bench.registry.counters();
  await bench.registry.reset();
  const overHttp = await askDuckdb(python, { file: `${bench.registry.url}/files/table/${TABLE}`, sql, warm });
  const http = await bench.registry.counters();
  return {
    mount: { ...overMount, requests: mount.requests, bytes: mount.kinds.blob.bytes },
    httpfs: { ...overHttp, requests: http.requests, bytes: http.bytes },
  };
}

interface Trial {
  readonly latencyMs: number;
  /** Of the time over httpfs. */
  readonly limit: number;
}

async function compare(
  bench: Bench,
  work: { readonly sql: string; readonly trials: readonly Trial[] },
): Promise<ScenarioResult> {
  const python = pythonTools();
  if (python === undefined) throw new Error("no Python with DuckDB");
  const path = await tablePath(bench);
  const warm = await smallTablePath(bench);
  const { reference } = await bench.store("table", async () => fileSpec(TABLE, path));
  const { sql } = work;
  const right = (await askDuckdb(python, { file: path, sql, warm })).rows;
  const checks: Check[] = [];
  const peers: PeerRow[] = [];
  for (const { latencyMs, limit } of work.trials) {
    const pairs = await bench.over({ latencyMs }, () =>
      repeat(bench.runs, () => pair(bench, { python, reference, sql, warm })),
    );
    if (pairs.some(({ mount, httpfs }) => mount.rows !== right || httpfs.rows !== right))
      throw new Error(`an answer at ${latencyMs} ms is wrong`);
    const value = median(pairs.map(({ mount, httpfs }) => mount.ms / httpfs.ms));
    checks.push(atMost("ratio", { what: `time to that over httpfs at ${latencyMs} ms`, value, limit, unit: "x" }));
    for (const [name, of] of [
      ["the mount", pairs.map(({ mount }) => mount)],
      ["httpfs", pairs.map(({ httpfs }) => httpfs)],
    ] as const)
      peers.push({
        name: `${name}, ${latencyMs} ms`,
        ms: median(of.map(({ ms }) => ms)),
        requests: median(of.map(({ requests }) => requests)),
        bytes: median(of.map(({ bytes }) => bytes)),
      });
  }
  return { checks, facts: {}, peers, notes: ["the query alone is timed, without the mount's and the process's start"] };
}

const obstacle = (): string | undefined =>
  pythonTools() === undefined ? "no Python with DuckDB and its httpfs (npm run interop makes one)" : undefined;

export const httpfsColumn: Scenario = {
  name: "httpfs-column",
  title: "DuckDB: sum of one column of 20, the mount against DuckDB's own httpfs",
  obstacle,
  run: (bench) =>
    compare(bench, {
      sql: "SELECT sum(fare) FROM FILE",
      trials: [
        { latencyMs: 20, limit: 1.1 },
        { latencyMs: 80, limit: 1 },
      ],
    }),
};

export const httpfsFilter: Scenario = {
  name: "httpfs-filter",
  title: "DuckDB: a filter on the sorted column and three others, the mount against httpfs",
  obstacle,
  run: (bench) =>
    compare(bench, {
      sql: `SELECT max("at"), sum(fare), max(m3) FROM FILE WHERE id BETWEEN 700000 AND 718000`,
      trials: [
        { latencyMs: 20, limit: 1 },
        { latencyMs: 80, limit: 1 },
      ],
    }),
};
