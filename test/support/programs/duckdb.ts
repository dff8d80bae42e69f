import { query } from "../data.ts";

/**
 * A reader for a process of its own: `node duckdb.js SQL...` runs each statement and prints one line of JSON,
 * `{"rows": [...], "ms": N}`: the rows of the last one, and the time of all without the program's own start.
 */
const begun = performance.now();
let rows: Awaited<ReturnType<typeof query>> = [];
for (const sql of process.argv.slice(2)) rows = await query(sql);
process.stdout.write(`${JSON.stringify({ rows, ms: performance.now() - begun })}\n`);
