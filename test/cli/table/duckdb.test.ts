import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { bytesText } from "../../../src/cli/table/bytes-text.ts";
import { csvTable } from "../../../src/formats/csv/reader.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readCsv, readRows } from "../../formats/read-table.ts";

async function ask(sql: string): Promise<readonly unknown[][]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
  }
}

test("bytes are written as DuckDB prints them, and it reads them back", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const hex = Buffer.from(all).toString("hex");
  const text = bytesText(all);
  const [row] = await ask(`select unhex('${hex}')::varchar, hex('${text.replaceAll("'", "''")}'::blob)`);
  expect(row).toEqual([text, hex.toUpperCase()]);
});

test("DuckDB reads the same values out of a CSV", async () => {
  const folder = mkdtempSync(join(tmpdir(), "riffle-csv-"));
  try {
    const text =
      'id,name,price,ok,day\n1,Ada,1.5,true,2024-02-29\n-9007199254740993,,1e300,false,1969-12-31\n3,"a,""b""",-0.25,true,\n';
    const file = join(folder, "made.csv");
    writeFileSync(file, text);
    const rows = await readRows(await csvTable(loggedSource(Buffer.from(text))));
    const theirs = await ask(`select * from read_csv('${file}')`);
    // Its client gives 64-bit integers as text, ours as numbers that a test's parser rounds: compared below.
    const ours = rows.map((row) => Object.values(row as Record<string, unknown>).slice(1));
    expect(theirs.map((row) => row.slice(1))).toEqual(ours);
    const ids = await readCsv(await csvTable(loggedSource(Buffer.from(text))), { columns: ["id"] });
    expect(theirs.map(([id]) => id)).toEqual(ids.trim().split("\n").slice(1));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
