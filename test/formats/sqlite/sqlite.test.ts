import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sqlite } from "../../../src/formats/sqlite/module.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

/** SQLite's own command line, where it is installed. */
const SQLITE = "sqlite3";

/** A first page of 512 bytes with two rows of the schema. */
function sample(): Buffer {
  const row = (type: string, name: string): Buffer => {
    const texts = [type, name, name].map((text) => Buffer.from(text));
    const header = Buffer.from([6, ...texts.map((text) => 13 + text.length * 2), 1, 13]);
    const payload = Buffer.concat([header, ...texts, Buffer.from([2])]);
    return Buffer.concat([Buffer.from([payload.length, 1]), payload]);
  };
  const page = Buffer.alloc(512);
  page.write("SQLite format 3\0");
  page.writeUInt16BE(512, 16);
  page.writeUInt32BE(7, 24);
  page.writeUInt32BE(1, 28);
  page.writeUInt32BE(1, 56);
  page.write("GPKG", 68);
  page.writeUInt32BE(7, 92);
  page.writeUInt32BE(3_040_001, 96);
  page[100] = 0x0d;
  page.writeUInt16BE(2, 103);
  let at = 512;
  for (const [cell, bytes] of [row("table", "roads"), row("view", "long_roads")].entries()) {
    at -= bytes.length;
    page.set(bytes, at);
    page.writeUInt16BE(at, 108 + cell * 2);
  }
  return page;
}

test("header and schema in one request", async () => {
  const source = loggedSource(Buffer.concat([sample(), Buffer.alloc(1_000_000)]));
  const { title, facts, notes } = await sqlite.info(source);
  expect([title, notes, source.requests(), source.bytes()]).toEqual(["GeoPackage (SQLite)", [], 1, 65_536]);
  expect(facts).toEqual({
    pageBytes: 512,
    pages: 1,
    freePages: 0,
    encoding: "utf-8",
    userVersion: 0,
    writtenBy: "SQLite 3.40.1",
    tableCount: 1,
    viewCount: 1,
    indexCount: 0,
    tables: [
      { name: "roads", type: "table" },
      { name: "long_roads", type: "view" },
    ],
  });
  expect((await sqlite.extents?.(source))?.count).toBe(0);
});

test("a real schema on many pages takes one more round trip", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "riffle-sqlite-"));
  try {
    const tables = Array.from(
      { length: 300 },
      (_, at) => `create table t${at} (a integer primary key, b text, c real);`,
    );
    const file = join(folder, "x.db");
    try {
      execFileSync(SQLITE, [file, `pragma page_size=1024; ${tables.join(" ")} create index i on t0 (b);`]);
    } catch {
      context.skip("there is no sqlite3 here");
    }
    const source = loggedSource(new Uint8Array(readFileSync(file)));
    const { facts, notes } = await sqlite.info(source);
    expect(facts).toMatchObject({ pageBytes: 1024, tableCount: 300, indexCount: 1, viewCount: 0 });
    expect([notes, source.calls.length]).toEqual([[], 2]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ["pages of 500 bytes", (b: Buffer) => b.writeUInt16BE(500, 16)],
  ["a page of no kind", (b: Buffer) => (b[100] = 9)],
  ["65,535 cells", (b: Buffer) => b.writeUInt16BE(0xffff, 103)],
  ["a cell outside its page", (b: Buffer) => b.writeUInt16BE(0xfff0, 108)],
  [
    "a child that is not there",
    (b: Buffer) => {
      b[100] = 5;
      b.writeUInt32BE(0xffffffff, 108);
      b.writeUInt16BE(0, 103);
    },
  ],
])("%s is malformed", async (_, edit) => {
  const bytes = sample();
  edit(bytes);
  await expect(sqlite.info(loggedSource(bytes))).rejects.toMatchObject({ code: "malformed" });
});

test("damage ends in an error of ours or in facts", () =>
  surviveDamage(sample(), (source) => sqlite.info(source), { seed: 21, rounds: 1500 }));
