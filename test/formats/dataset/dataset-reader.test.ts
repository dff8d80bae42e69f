import { Dictionary, Float64, Int32, Utf8, type RecordBatch } from "apache-arrow";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { RiffleError } from "../../../src/errors.ts";
import { datasetReader } from "../../../src/formats/dataset/dataset-reader.ts";
import type { FileSet } from "../../../src/formats/format.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import type { TableQuery, TableReader } from "../../../src/formats/table.ts";
import { batchOf, memoryTable, vectorFromArray } from "./memory-table.ts";

interface Opened {
  readonly reader: TableReader;
  readonly log: string[];
}

/** A table over batches by path; `log` holds which file was asked for what. */
async function opened(
  batches: Readonly<Record<string, RecordBatch>>,
  options: { readonly matches?: (path: string) => boolean; readonly concurrency?: number } = {},
): Promise<Opened> {
  const log: string[] = [];
  const files: FileSet = {
    paths: Object.keys(batches).sort(),
    file: (path) => (batches[path] === undefined ? undefined : memorySource(path, new Uint8Array(8))),
  };
  const reader = await datasetReader(files, {
    ...options,
    open: async (path) => {
      const batch = batches[path];
      if (batch === undefined) throw new Error(path);
      log.push(`open ${path}`);
      return memoryTable(batch, (what) => log.push(`${what} ${path}`));
    },
  });
  return { reader, log };
}

function numbers(from: number, count: number): RecordBatch {
  const all = Array.from({ length: count }, (_, i) => from + i);
  return batchOf({
    n: vectorFromArray(all, new Int32()),
    s: vectorFromArray(
      all.map((n) => `s${n}`),
      new Utf8(),
    ),
  });
}

const YEARS = {
  "t/year=2023/month=01/a.parquet": numbers(0, 3),
  "t/year=2023/month=02/a.parquet": numbers(10, 3),
  "t/year=2024/month=01/a.parquet": numbers(20, 3),
  "t/year=2024/month=__HIVE_DEFAULT_PARTITION__/a.parquet": numbers(30, 3),
};

async function rows(reader: TableReader, query: TableQuery): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const batch of reader.scan(query)) {
    for (const row of batch)
      found.push(
        JSON.stringify(Object.values(row.toJSON()), (_, v: unknown) => (typeof v === "bigint" ? Number(v) : v)),
      );
  }
  return found;
}

describe("files in partitions", () => {
  test("directories are columns after those of the files", async () => {
    const { reader } = await opened(YEARS);
    expect(reader.metadata.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      "n Int32",
      "s Utf8",
      "year Int64",
      "month Utf8",
    ]);
    expect(reader.metadata.rows).toBeUndefined();
    expect((await rows(reader, {})).filter((_, i) => i % 3 === 0)).toEqual([
      '[0,"s0",2023,"01"]',
      '[10,"s10",2023,"02"]',
      '[20,"s20",2024,"01"]',
      '[30,"s30",2024,null]',
    ]);
  });

  test.each([
    ["year = 2024", ["2024/month=01", "2024/month=__"], 6],
    ["year = 2024 and month = '01'", ["2024/month=01"], 3],
    ["month = 1", ["2023/month=01", "2024/month=01"], 6],
    ["month in (2, 3)", ["2023/month=02"], 3],
    ["month is null", ["2024/month=__"], 3],
    ["month is not null and not (year <> 2023)", ["2023/month=01", "2023/month=02"], 6],
    ["year = 2023 or n = 21", ["2023/month=01", "2023/month=02", "2024/month=01", "2024/month=__"], 7],
    ["YEAR > 2023 and N > 21", ["2024/month=01", "2024/month=__"], 4],
    ["year between 1 and 2000", [], 0],
    ["not (month = '01' or n > 1)", ["2023/month=02"], 0],
    ["year > n", ["2023/month=01", "2023/month=02", "2024/month=01", "2024/month=__"], 12],
    ["month = null", [], 0],
  ])("%s opens only files that may have such rows", async (text, kept, count) => {
    const { reader, log } = await opened(YEARS);
    const where = await parsePredicate(text);
    const plan = await reader.plan({ where });
    expect(plan.pruned[0]).toEqual({ what: "files by partition", total: 4, kept: kept.length });
    log.length = 0;
    expect(await rows(reader, { where })).toHaveLength(count);
    const scanned = log.filter((line) => line.startsWith("scan"));
    expect(scanned.map((line) => /year=(.{14,15})/.exec(line)?.[1]?.slice(0, 13))).toEqual(
      kept.map((path) => path.slice(0, 13)),
    );
    // The first file was opened with the table and stays open.
    const others = kept.filter((path) => !path.startsWith("2023/month=01")).length;
    expect(log.filter((line) => line.startsWith("open"))).toHaveLength(others);
    expect(log.filter((line) => line.startsWith("close"))).toHaveLength(others);
  });

  test("partition columns alone move no data", async () => {
    const { reader, log } = await opened(YEARS);
    expect(await rows(reader, { columns: ["month", "year"] })).toHaveLength(12);
    expect(await rows(reader, { columns: ["year"], limit: 4 })).toEqual(["[2023]", "[2023]", "[2023]", "[2023]"]);
    expect(log.filter((line) => line.startsWith("scan"))).toEqual([]);
    expect((await reader.plan({ columns: ["year"] })).bytesFetched).toBe(0);
    // With a filter, one narrow column counts the rows.
    const where = await parsePredicate("n = 21");
    expect(await rows(reader, { columns: ["year"], where })).toEqual(["[2024]"]);
    expect(log).toContain("scan n t/year=2024/month=01/a.parquet");
  });

  test("columns come in the order asked for", async () => {
    const { reader } = await opened(YEARS);
    expect(await rows(reader, { columns: ["year", "s", "month", "n"], limit: 1 })).toEqual(['[2023,"s0","01",0]']);
  });

  test("a limit stops the opening of files", async () => {
    const { reader, log } = await opened(YEARS);
    expect(await rows(reader, { limit: 2 })).toHaveLength(2);
    expect(log).toEqual(["open t/year=2023/month=01/a.parquet", "scan n,s limit 2 t/year=2023/month=01/a.parquet"]);
    expect(await rows(reader, { limit: 4 })).toHaveLength(4);
    expect(await rows(reader, { limit: 0 })).toHaveLength(0);
    expect((await reader.plan({ limit: 3 })).requests).toBe(1);
    expect((await reader.plan({ limit: 4 })).requests).toBe(2);
  });

  test("a plan is the sum of the files' plans", async () => {
    const { reader } = await opened(YEARS);
    const plan = await reader.plan({ columns: ["n", "year"], where: await parsePredicate("year = 2024") });
    expect(plan).toMatchObject({ bytesNeeded: 200, bytesFetched: 220, requests: 2 });
    expect(plan.pruned).toEqual([
      { what: "files by partition", total: 4, kept: 2 },
      { what: "row groups by statistics", total: 6, kept: 4 },
    ]);
    expect(plan.ranges[0]?.purpose).toBe("t/year=2024/month=01/a.parquet: columns");
  });

  test("few files are open at once, and none after the consumer stops", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`p=${i + 10}/x.parquet`, numbers(i * 10, 2)]),
    );
    const { reader, log } = await opened(many, { concurrency: 3 });
    let most = 0;
    let seen = 0;
    for await (const batch of reader.scan({})) {
      seen += batch.numRows;
      const count = (word: string): number => log.filter((line) => line.startsWith(word)).length;
      most = Math.max(most, count("open") - count("close"));
      if (seen >= 20) break;
    }
    // Three, and the first, which stays open.
    expect(most).toBeLessThanOrEqual(4);
    expect(log.filter((line) => line.startsWith("open")).length).toBeLessThanOrEqual(13);
    const count = (word: string): number => log.filter((line) => line.startsWith(word)).length;
    expect(count("open") - count("close")).toBe(1);
    await reader.close();
    expect(count("open") - count("close")).toBe(0);
    await expect(rows(reader, {})).rejects.toMatchObject({ code: "closed" });
  });
});

describe("files that do not go together", () => {
  test("types that differ are an error that names both files", async () => {
    const { reader } = await opened({
      "a.parquet": numbers(0, 1),
      "b.parquet": batchOf({ n: vectorFromArray([1.5], new Float64()), s: vectorFromArray(["x"], new Utf8()) }),
    });
    await expect(rows(reader, {})).rejects.toThrow(
      "these files are not one table: column n is Int32 in a.parquet and is Float64 in b.parquet",
    );
  });

  test("a missing column is an error, one too many is left out, another order is none", async () => {
    const lacking = await opened({
      "a.parquet": numbers(0, 1),
      "b.parquet": batchOf({ n: vectorFromArray([1], new Int32()) }),
    });
    await expect(rows(lacking.reader, {})).rejects.toThrow(/column s is Utf8 in a.parquet and is missing in b.parquet/);
    const other = batchOf({
      z: vectorFromArray([1.5], new Float64()),
      s: vectorFromArray(["x"], new Utf8()),
      n: vectorFromArray([7], new Int32()),
    });
    const { reader } = await opened({ "a.parquet": numbers(0, 1), "b.parquet": other });
    expect(await rows(reader, {})).toEqual(['[0,"s0"]', '[7,"x"]']);
  });

  test("no file, no table", async () => {
    await expect(opened(YEARS, { matches: () => false })).rejects.toMatchObject({ code: "not-found" });
  });

  test("the error of a file names it", async () => {
    const files: FileSet = { paths: ["x/a", "x/b"], file: (path) => memorySource(path, new Uint8Array()) };
    const reader = datasetReader(files, {
      open: () => Promise.reject(new RiffleError("malformed", "there is no footer")),
    });
    await expect(reader).rejects.toMatchObject({ code: "malformed", message: "x/a: there is no footer" });
  });
});

test("batches of files have one schema, also with dictionaries of their own", async () => {
  const words = (list: readonly string[]): RecordBatch =>
    batchOf({ w: vectorFromArray(list, new Dictionary(new Utf8(), new Int32())) });
  const { reader } = await opened({ "p=1/a": words(["x", "y"]), "p=2/a": words(["z", "x"]) });
  const types: unknown[] = [];
  const found: unknown[] = [];
  for await (const batch of reader.scan({})) {
    types.push((batch.schema.fields[0]?.type as Dictionary | undefined)?.id);
    found.push(...(batch.getChild("w") ?? []));
  }
  expect(new Set(types).size).toBe(1);
  expect(found).toEqual(["x", "y", "z", "x"]);
  expect(new Set(types).has(undefined)).toBe(false);
});

test("a column of the files that a directory names is the directory's", async () => {
  const { reader } = await opened({ "n=7/a": numbers(0, 1) });
  expect(await rows(reader, {})).toEqual(['["s0",7]']);
  expect(await rows(reader, { where: await parsePredicate("n = 7") })).toHaveLength(1);
});
