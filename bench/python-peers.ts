import { join } from "node:path";
import { runWell } from "../test/support/processes.ts";
import type { Bench } from "./context.ts";
import { askDuckdb, pythonTools } from "./duckdb-python.ts";
import { median, repeat, type PeerRow } from "./scenario.ts";

interface PythonQuestion {
  readonly file: string;
  /** Of `FILE`. */
  readonly sql: string;
  readonly columns: readonly string[] | undefined;
  readonly where: string | undefined;
  readonly limit: number | undefined;
}

/** Prints the milliseconds of the query alone: imports and the first use of the library are before. */
const POLARS = `
import polars as pl, sys, time, re
url, sql, warm = sys.argv[1:4]
def ask(path):
    s = pl.SQLContext(t=pl.scan_parquet(path))
    return s.execute(sql.replace("FILE", "t")).collect()
ask(warm)
t = time.perf_counter()
ask(url)
print((time.perf_counter() - t) * 1000)
`;

/** DuckDB's own httpfs and polars at the same file over plain HTTP; nothing without \`--peers\` or the interpreter. */
export async function pythonPeers(bench: Bench, question: PythonQuestion): Promise<readonly PeerRow[]> {
  const python = pythonTools();
  if (!bench.peers || python === undefined) return [];
  const url = `${bench.registry.url}/files/${question.file}`;
  const warm = join(bench.folder, "table-2k.parquet");
  const rows: PeerRow[] = [];
  for (const [name, ask] of [
    ["DuckDB httpfs", async () => (await askDuckdb(python, { file: url, sql: question.sql, warm })).ms],
    ["polars", async () => Number((await runWell(python, ["-c", POLARS, url, question.sql, warm])).stdout.toString())],
  ] as const) {
    const samples = await repeat(bench.runs, async () => {
      await bench.registry.reset();
      const ms = await ask();
      const { requests, bytes } = await bench.registry.counters();
      return { ms, requests, bytes };
    });
    const of = (pick: (sample: (typeof samples)[number]) => number): number => median(samples.map(pick));
    rows.push({ name, ms: of(({ ms }) => ms), requests: of((s) => s.requests), bytes: of((s) => s.bytes) });
  }
  return rows;
}
