import { join } from "node:path";
import { ROOT } from "../../support/root.ts";
import { runWell } from "../../support/processes.ts";

/** Rows, each a list of values as DuckDB prints them in JSON; or why there are none. */
export type DuckdbAnswer = readonly (readonly unknown[])[] | { readonly error: string };

/** Answers to many queries, in their order, by DuckDB in one process of its own: in a worker of tests its end would be theirs. */
export async function duckdb(
  queries: readonly string[],
  options: { readonly setup?: readonly string[] } = {},
): Promise<readonly DuckdbAnswer[]> {
  const program = join(ROOT, "dist-tools/test/support/programs/duckdb-queries.js");
  const input = JSON.stringify({ setup: options.setup ?? [], queries });
  const { stdout } = await runWell(process.execPath, [program], { input, timeoutMs: 60_000 });
  return stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as DuckdbAnswer); // what the program writes
}
