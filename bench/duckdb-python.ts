import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runWell } from "../test/support/processes.ts";

/** The interpreter that `npm run interop` sets up, with DuckDB and its httpfs, polars and pyarrow. */
export function pythonTools(): string | undefined {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const path = join(process.env["RIFFLE_TOOLS_DIR"] ?? join(cache, "riffle-tools"), "python/bin/python");
  return existsSync(path) ? path : undefined;
}

/**
 * Prints the rows and the milliseconds of the query alone: imports and the first use of the library are before. With a fourth argument, a
 * query of its own for the first use, it is a program for `timedProgram`.
 */
export const DUCKDB = `
import duckdb, json, sys, time
from importlib.resources import files
file, sql, warm = sys.argv[1:4]
c = duckdb.connect()
c.execute("SET autoinstall_known_extensions=false")
import duckdb_extension_httpfs
found = next((files(duckdb_extension_httpfs) / "extensions").glob("**/httpfs.duckdb_extension"))
c.execute("LOAD '" + str(found) + "'")
first = sys.argv[4] if len(sys.argv) > 4 else sql
c.execute(first.replace("FILE", "'" + warm + "'")).fetchall()
if len(sys.argv) > 4:
    time.sleep(0.5)
    print("ready", flush=True)
    sys.stdin.readline()
t = time.perf_counter()
rows = c.execute(sql.replace("FILE", "'" + file + "'")).fetchall()
ms = (time.perf_counter() - t) * 1000
print(json.dumps({"ms": ms, "rows": str(rows)}))
`;

export interface DuckdbAnswer {
  readonly ms: number;
  readonly rows: string;
}

/** `sql` of `FILE`, which is a path or a URL, by DuckDB with its defaults in a process of its own. */
export async function askDuckdb(
  python: string,
  question: { readonly file: string; readonly sql: string; readonly warm: string },
): Promise<DuckdbAnswer> {
  const { file, sql, warm } = question;
  const { stdout } = await runWell(python, ["-c", DUCKDB, file, sql, warm]);
  // printed by that program
  return JSON.parse(stdout.toString()) as DuckdbAnswer;
}
