// SQL by DuckDB over a mount: it sees ordinary files, and the registry sees range requests.
//
//   node examples/duckdb-over-mount.mjs ghcr.io/eo/trips:v1 "select count(*), sum(fare) from 'trips.parquet'"
import { spawn } from "node:child_process";
import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "rifflefs";

const [reference, sql] = process.argv.slice(2);
if (reference === undefined || sql === undefined) {
  console.error("usage: duckdb-over-mount.mjs REF SQL");
  process.exit(2);
}

// The process that serves a mount must not wait for it: DuckDB runs in one of its own, in the mounted directory.
const DUCKDB = `
  import { DuckDBInstance } from "@duckdb/node-api";
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run("set file_search_path = '" + process.argv[1].replaceAll("'", "''") + "'");
  const reader = await connection.runAndReadAll(process.argv[2]);
  console.log(reader.columnNames().join(" | "));
  for (const row of reader.getRows()) console.log(row.map(String).join(" | "));
`;

const directory = await mkdtemp(join(tmpdir(), "riffle-example-"));
const artifact = await open(reference);
try {
  const mount = await artifact.mount(directory);
  try {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", DUCKDB, directory, sql], {
      stdio: ["ignore", "inherit", "inherit"],
      cwd: import.meta.dirname,
    });
    process.exitCode = await new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
  } finally {
    await mount.close();
  }
  const { requestsByKind, bytesFetchedByKind } = artifact.stats();
  console.log(`${requestsByKind.blob} requests, ${bytesFetchedByKind.blob} bytes of data`);
} finally {
  await artifact.close();
  await rmdir(directory);
}
