import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReadPlan } from "../../src/formats/format.ts";
import { askedArtifact, type AskedArtifact } from "../support/asked.ts";

/** Rows of four row groups; `id` is sorted, `value` is not. */
const ROWS = 40_000;
const GROUP = 10_000;
const CITIES = ["Bern", "Kyoto", 'the "Hague"', "São Paulo", "Ulaanbaatar"];

interface Row {
  readonly id: number;
  readonly city: string;
  readonly value: number;
}

const rows: readonly Row[] = Array.from({ length: ROWS }, (_, id) => ({
  id,
  city: CITIES[id % CITIES.length] ?? "",
  value: ((id * 7919) % 10_007) / 4,
}));

function parquet(some: readonly Row[]): Uint8Array {
  const column = <K extends keyof Row>(name: K): Row[K][] => some.map((row) => row[name]);
  return new Uint8Array(
    parquetWriteBuffer({
      rowGroupSize: GROUP,
      columnData: [
        { name: "id", data: column("id"), type: "INT32", columnIndex: true, offsetIndex: true },
        { name: "city", data: column("city"), type: "STRING" },
        { name: "value", data: column("value"), type: "DOUBLE" },
      ],
    }),
  );
}

const csvText = `id,city,value\n${rows
  .slice(0, 500)
  .map(({ id, city, value }) => `${id},"${city.replaceAll('"', '""')}",${value}`)
  .join("\n")}\n`;

const file = (title: string, bytes: Uint8Array): { title: string; content: { kind: "bytes"; bytes: Uint8Array } } => ({
  title,
  content: { kind: "bytes", bytes },
});

const whole = parquet(rows);
let artifact: AskedArtifact;

beforeAll(async () => {
  artifact = await askedArtifact([
    file("rows.parquet", whole),
    file("rows.csv", Buffer.from(csvText)),
    file("by/year=2023/a.parquet", parquet(rows.slice(0, 100))),
    file("by/year=2024/b.parquet", parquet(rows.slice(100, 250))),
    file("notes.txt", Buffer.from("no table")),
    file("blob.bin", Buffer.alloc(100, 1)),
  ]);
});
afterAll(() => artifact.close());

async function json(words: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await artifact.ask("table", [...words, "--format", "json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

describe("Parquet", () => {
  test("columns, a predicate and a limit give exactly those rows, and move the row group that holds them", async () => {
    const words = ["rows.parquet", "--columns", "value,id", "--where", "id BETWEEN 25000 AND 25009 AND value > 100"];
    const { code, stdout, moved } = await artifact.ask("table", [...words, "--format", "ndjson"]);
    const wanted = rows.filter(({ id, value }) => id >= 25_000 && id <= 25_009 && value > 100);
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(wanted.map(({ id, value }) => ({ value, id })));
    expect(moved.blobBytes).toBeLessThan(whole.length / 2);
    expect(moved.blobRequests).toBeLessThanOrEqual(4);
  });

  test("all rows, whatever the form", async () => {
    expect(await json(["rows.parquet", "--columns", "id,value"])).toEqual(rows.map(({ id, value }) => ({ id, value })));
    const arrow = await artifact.ask("table", ["rows.parquet", "--format", "arrow"]);
    const table = tableFromIPC(arrow.stdoutBytes);
    expect([table.numRows, table.schema.fields.map(({ name }) => name)]).toEqual([ROWS, ["id", "city", "value"]]);
    expect(table.getChild("city")?.get(ROWS - 1)).toBe(rows.at(-1)?.city);
  });

  test("into a pipe goes CSV", async () => {
    const { stdout, stderr } = await artifact.ask("table", ["rows.parquet", "--limit", "3"]);
    expect([stdout, stderr]).toEqual(['id,city,value\n0,Bern,0\n1,Kyoto,1979.75\n2,"the ""Hague""",1457.75\n', ""]);
  });

  test("--explain says what would move, and moves the index alone", async () => {
    const words = ["rows.parquet", "--columns", "value", "--where", "id >= 39000"];
    const { code, stdout, moved } = await artifact.ask("table", [...words, "--explain", "--json"]);
    const plan = JSON.parse(stdout) as ReadPlan & { file: string; query: unknown };
    expect(code).toBe(0);
    expect(Object.keys(plan)).toEqual(["file", "query", "ranges", "bytesNeeded", "bytesFetched", "requests", "pruned"]);
    expect(plan).toMatchObject({ file: "rows.parquet", query: { columns: ["value"], where: "id >= 39000" } });
    expect(plan.pruned).toContainEqual(expect.objectContaining({ total: 4, kept: 1 }));
    expect(plan.bytesNeeded).toBeLessThan(whole.length / 2);
    expect(plan.requests).toBeGreaterThan(0);
    const real = await artifact.ask("table", words);
    expect(real.moved.blobRequests).toBeLessThanOrEqual(moved.blobRequests + plan.requests);
    const text = await artifact.ask("table", [...words, "--explain"]);
    expect(text.stdout).toMatch(/^file {6}rows\.parquet\nquery {5}columns value; where id >= 39000\nrequests {2}\d+/);
    expect(text.stdout).toMatch(/\npruned {4}row groups by statistics: 3 of 4, 1 kept\n/);
  });

  test("no row is a table too", async () => {
    const { code, stdout } = await artifact.ask("table", ["rows.parquet", "--where", "id < 0"]);
    expect([code, stdout]).toEqual([0, "id,city,value\n"]);
    expect(await json(["rows.parquet", "--where", "id < 0"])).toEqual([]);
  });
});

describe("many files as one table", () => {
  test("a directory with partitions: those that can hold rows are read, and no other", async () => {
    const { code, stdout, moved } = await artifact.ask("table", ["by", "--where", "year = 2024 AND id < 103"]);
    expect([code, stdout]).toEqual([
      0,
      `id,city,value,year\n${rows
        .slice(100, 103)
        .map(({ id, city, value }) => `${id},${city.includes('"') ? '"the ""Hague"""' : city},${value},2024`)
        .join("\n")}\n`,
    ]);
    expect(moved.blobRequests).toBeLessThanOrEqual(4);
  });

  test("a pattern", async () => {
    const found = (await json(["by/*/*.parquet", "--columns", "id"])) as readonly { id: number }[];
    expect(found.map(({ id }) => id)).toEqual(rows.slice(0, 250).map(({ id }) => id));
    const none = await artifact.ask("table", ["by/*.csv"]);
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining('has no file like "by/*.csv"')]);
  });
});

describe("CSV", () => {
  test("types are told, and a predicate holds", async () => {
    const wanted = rows.slice(0, 500).filter(({ city, value }) => city === "Kyoto" && value > 2000);
    expect(await json(["rows.csv", "--where", "city = 'Kyoto' AND value > 2000"])).toEqual(wanted);
  });
});

describe("output", () => {
  test("a file by its ending, whole or not at all, and never over another", async () => {
    const { path } = artifact.home;
    const words = ["rows.parquet", "--limit", "2", "-o", "out.ndjson"];
    const told = await artifact.ask("table", [...words, "--json"]);
    expect(JSON.parse(told.stdout)).toMatchObject({ file: "rows.parquet", format: "ndjson", rows: 2 });
    expect(readFileSync(join(path, "out.ndjson"), "utf8").split("\n")).toHaveLength(3);
    const again = await artifact.ask("table", words);
    expect([again.code, again.stderr, again.moved.blobRequests]).toEqual([1, expect.stringContaining("--force"), 0]);
    expect(await artifact.ask("table", [...words, "--force"])).toMatchObject({ code: 0, stdout: "" });
    const bad = await artifact.ask("table", ["rows.parquet", "--where", "value = nope", "-o", "bad.csv"]);
    expect([bad.code, existsSync(join(path, "bad.csv"))]).toEqual([2, false]);
    expect(readdirSync(path).filter((name) => name.includes(".part"))).toEqual([]);
  });

  test("with --json stdout is JSON", async () => {
    const { stdout } = await artifact.ask("table", ["rows.parquet", "--limit", "1", "--json"]);
    expect(JSON.parse(stdout)).toEqual([{ id: 0, city: "Bern", value: 0 }]);
    expect(await artifact.ask("table", ["rows.parquet", "--format", "csv", "--json"])).toMatchObject({ code: 2 });
  });
});

describe("words that are off", () => {
  test.each([
    [["rows.parquet", "--columns", "id,nope"], 2, /no column "nope".*id, city, value/],
    [["rows.parquet", "--where", "id >"], 2, /predicate/],
    [["rows.parquet", "--where", "nope = 1"], 2, /nope/],
    [["rows.parquet", "--where", "id LIKE 'x%'"], 2, /LIKE/i],
    [["rows.parquet", "--bbox", "1,2,3,4"], 2, /geometr/],
    [["rows.parquet", "--limit", "-1"], 2, /not a number of rows/],
    [["rows.parquet", "-o", "out.xlsx"], 2, /"\.xlsx" does not tell/],
    [["none.parquet"], 3, /has no path "none\.parquet"/],
    [["blob.bin"], 1, /blob\.bin is of no format that riffle knows/],
  ])("%j", async (words, code, message) => {
    const outcome = await artifact.ask("table", words);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
