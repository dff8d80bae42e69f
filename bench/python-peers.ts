import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runWell } from "../test/support/processes.ts";
import type { Bench } from "./context.ts";
import { median, repeat, type PeerRow } from "./scenario.ts";

/** The interpreter that `npm run interop` sets up, with DuckDB and its httpfs, polars and pyarrow. */
export function pythonTools(): string | undefined {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const path = join(process.env["RIFFLE_TOOLS_DIR"] ?? join(cache, "riffle-tools"), "python/bin/python");
  return existsSync(path) ? path : undefined;
}

interface PythonQuestion {
  readonly file: string;
  /** Of `FILE`. */
  readonly sql: string;
  readonly columns: readonly string[] | undefined;
  readonly where: string | undefined;
  readonly limit: number | undefined;
}

/** Each prints the milliseconds of the query alone: imports and the first use of the library are before. */
const DUCKDB = `
import duckdb, sys, time
from importlib.resources import files
url, sql, warm = sys.argv[1:4]
c = duckdb.connect()
c.execute("SET autoinstall_known_extensions=false")
import duckdb_extension_httpfs
found = next((files(duckdb_extension_httpfs) / "extensions").glob("**/httpfs.duckdb_extension"))
c.execute("LOAD '" + str(found) + "'")
c.execute(sql.replace("FILE", "'" + warm + "'")).fetchall()
t = time.perf_counter()
c.execute(sql.replace("FILE", "'" + url + "'")).fetchall()
print((time.perf_counter() - t) * 1000)
`;

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
  for (const [name, program] of [
    ["DuckDB httpfs", DUCKDB],
    ["polars", POLARS],
  ] as const) {
    const samples = await repeat(bench.runs, async () => {
      await bench.registry.reset();
      const { stdout } = await runWell(python, ["-c", program, url, question.sql, warm]);
      const { requests, bytes } = await bench.registry.counters();
      return { ms: Number(stdout.toString().trim()), requests, bytes };
    });
    const of = (pick: (sample: (typeof samples)[number]) => number): number => median(samples.map(pick));
    rows.push({ name, ms: of(({ ms }) => ms), requests: of((s) => s.requests), bytes: of((s) => s.bytes) });
  }
  return rows;
}
