import type { Bench } from "./context.ts";
import { DUCKDB, pythonTools, type DuckdbAnswer } from "./duckdb-python.ts";
import { median, repeat, type PeerRow } from "./scenario.ts";
import { timedProgram } from "./timed-program.ts";

interface PythonQuestion {
  /** Below the registry's plain files. */
  readonly file: string;
  /** Of `FILE`. */
  readonly sql: string;
  /** What each answers first, in the same process and over the same link. */
  readonly small: { readonly file: string; readonly sql: string };
}

/** Prints the milliseconds of the query alone: imports and the first use of the library are before. */
const POLARS = `
import polars as pl, sys, time, re
url, sql, small, first = sys.argv[1:5]
def ask(path, sql):
    s = pl.SQLContext(t=pl.scan_parquet(path))
    return s.execute(sql.replace("FILE", "t")).collect()
ask(small, first)
time.sleep(0.5)
print("ready", flush=True)
sys.stdin.readline()
t = time.perf_counter()
ask(url, sql)
print((time.perf_counter() - t) * 1000)
`;

const PEERS = [
  { name: "DuckDB httpfs", program: DUCKDB, msOf: (line: string): number => (JSON.parse(line) as DuckdbAnswer).ms },
  { name: "polars", program: POLARS, msOf: Number },
] as const;

/** DuckDB's own httpfs and polars at the same file over plain HTTP; nothing without `--peers` or the interpreter. */
export async function pythonPeers(bench: Bench, question: PythonQuestion): Promise<readonly PeerRow[]> {
  const python = pythonTools();
  if (!bench.peers || python === undefined) return [];
  const { file, sql, small } = question;
  const url = (path: string): string => `${bench.registry.url}/files/${path}`;
  const rows: PeerRow[] = [];
  for (const { name, program, msOf } of PEERS) {
    const samples = await repeat(bench.runs, async () => {
      const line = await timedProgram(bench, python, ["-c", program, url(file), sql, url(small.file), small.sql]);
      const { requests, bytes } = await bench.registry.counters();
      return { ms: msOf(line), requests, bytes };
    });
    const of = (pick: (sample: (typeof samples)[number]) => number): number => median(samples.map(pick));
    rows.push({ name, ms: of(({ ms }) => ms), requests: of((s) => s.requests), bytes: of((s) => s.bytes) });
  }
  return rows;
}
