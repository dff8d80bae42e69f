import { DuckDBInstance, type Json } from "@duckdb/node-api";

/**
 * Many queries in a process of its own: `{"setup": [SQL], "queries": [SQL]}` comes on stdin, and for every query goes one line of
 * JSON out: the list of rows, each a list of values, or `{"error": "..."}`. UTC, one connection, files as they are in the directory.
 */
let input = "";
for await (const piece of process.stdin) input += String(piece);
// What the test wrote.
const { setup, queries } = JSON.parse(input) as {
  readonly setup: readonly string[];
  readonly queries: readonly string[];
};
const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
const connection = await instance.connect();
for (const sql of ["SET TimeZone = 'UTC'", ...setup]) await connection.run(sql);
for (const sql of queries) {
  let answer: Json;
  try {
    answer = (await connection.runAndReadAll(sql)).getRowsJson();
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
connection.closeSync();
instance.closeSync();
