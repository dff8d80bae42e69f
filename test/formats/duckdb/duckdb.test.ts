import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { extentRanges } from "../../../src/formats/extents.ts";
import { duckdb } from "../../../src/formats/duckdb/module.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

const BLOCK = 262_144;

async function database(): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "riffle-duckdb-"));
  try {
    const instance = await DuckDBInstance.create(join(folder, "x.duckdb"));
    const connection = await instance.connect();
    await connection.run("create table t as select range a, 'x' || range b from range(200000)");
    await connection.run("checkpoint");
    connection.closeSync();
    instance.closeSync();
    return new Uint8Array(readFileSync(join(folder, "x.duckdb")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a database that DuckDB wrote: headers in one request, blocks are extents", async () => {
  const bytes = await database();
  const blocks = (bytes.length - 12_288) / BLOCK;
  const source = loggedSource(bytes);
  const { facts, notes } = await duckdb.info(source);
  expect([source.requests(), source.bytes(), notes]).toEqual([1, 12_288, []]);
  expect(facts).toMatchObject({ blockBytes: BLOCK, blocks, encrypted: false, storageVersion: "64" });
  expect(facts["writtenBy"]).toMatch(/^v\d+\.\d+\.\d+$/);
  const table = await duckdb.extents?.(source);
  const ranges = table === undefined ? [] : extentRanges(table);
  expect([ranges.length, ranges[1]]).toEqual([blocks, { start: 12_288 + BLOCK, end: 12_288 + 2 * BLOCK }]);
  expect((await duckdb.info(loggedSource(bytes.subarray(0, -10)))).notes.join()).toContain("cut short");
  await surviveDamage(bytes.subarray(0, 12_288 + 100), (damaged) => duckdb.info(damaged), { seed: 2, rounds: 500 });
});

test.each([
  ["blocks of 2^60 bytes", (b: Buffer) => b.writeBigUInt64LE(2n ** 60n, 4096 + 40)],
  ["blocks of 1000 bytes", (b: Buffer) => b.writeBigUInt64LE(1000n, 4096 + 40)],
  ["no magic", (b: Buffer) => b.write("GOOS", 8)],
])("%s is malformed", async (_, edit) => {
  const bytes = Buffer.alloc(12_288);
  bytes.write("DUCK", 8);
  edit(bytes);
  await expect(duckdb.info(loggedSource(bytes))).rejects.toMatchObject({ code: "malformed" });
});
