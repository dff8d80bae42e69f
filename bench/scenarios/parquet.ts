import { join } from "node:path";
import { makeParquet } from "../../test/support/data.ts";
import { coldAnswer, fileSpec, pulledAnswer } from "../answers.ts";
import type { Bench } from "../context.ts";
import { TABLE, tablePath } from "../data.ts";
import { parquetBytes, parquetGroupCount, parquetGroups } from "../parquet.ts";
import { measurePeers } from "../peers.ts";
import { duckdb } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Scenario, type ScenarioResult } from "../scenario.ts";

const WIDE_COLUMNS = 300;
const makeWide = (bench: Bench): Promise<string> => {
  const columns = Array.from({ length: WIDE_COLUMNS }, (_, i) => `(hash(i * 31 + ${i}) % 1000)::INTEGER AS c${i}`);
  return makeParquet(join(bench.folder, "wide-60k.parquet"), `SELECT ${columns.join(", ")} FROM range(60000) t(i)`, {
    rowGroup: 61_440,
  });
};

/** One statement over the mount by DuckDB with its defaults, and what it may cost. */
interface Question {
  readonly store: string;
  readonly make: (bench: Bench) => Promise<string>;
  readonly sql: (file: string) => string;
  /** Exact, from the file's own index. */
  readonly needed: (path: string) => Promise<number>;
  readonly bytes: { readonly what: string; readonly limit: number };
  readonly requests: (path: string) => Promise<number>;
  /** Times faster than pulling the file first. */
  readonly faster: number;
  readonly hasPeers?: boolean;
}

async function answer(bench: Bench, question: Question): Promise<ScenarioResult> {
  const path = await question.make(bench);
  const { reference, layers } = await bench.store(question.store, async () => fileSpec(TABLE, path));
  const ask = async (folder: string): Promise<string> => (await duckdb(question.sql(join(folder, TABLE)))).rows;
  const right = (await duckdb(question.sql(path))).rows;
  const needed = await question.needed(path);
  const url = `${bench.registry.url}/v2/bench/${question.store}/blobs/${layers[0]?.digest}`;
  const pairs = await repeat(bench.runs, async () => ({
    riffle: await coldAnswer(bench, reference, { ask, right }),
    pullMs: await pulledAnswer(bench, { url, title: TABLE }, { ask, right }),
  }));
  const bytes = Math.max(...pairs.map(({ riffle }) => riffle.bytes));
  const requests = Math.max(...pairs.map(({ riffle }) => riffle.requests));
  const faster = median(pairs.map(({ riffle, pullMs }) => pullMs / riffle.ms));
  const timed = async (folder: string): Promise<number> => {
    const begun = performance.now();
    if ((await ask(folder)) !== right) throw new Error("wrong answer");
    return performance.now() - begun;
  };
  return {
    checks: [
      atMost("count", { what: question.bytes.what, value: bytes / needed, limit: question.bytes.limit, unit: "x" }),
      atMost("count", { what: "requests", value: requests, limit: await question.requests(path) }),
      atLeast("aim", {
        what: "faster than a full pull and the query",
        value: faster,
        limit: question.faster,
        unit: "x",
      }),
    ],
    facts: {
      ms: median(pairs.map(({ riffle }) => riffle.ms)),
      pullMs: median(pairs.map(({ pullMs }) => pullMs)),
      bytes,
      needed,
      requests,
    },
    ...(question.hasPeers === true ? { peers: await measurePeers(bench, question.store, timed) } : {}),
  };
}

export const parquetColumn: Scenario = {
  name: "parquet-column",
  title: "DuckDB: sum of one column of a 20-column Parquet file of about 120 MB",
  run: (bench) =>
    answer(bench, {
      store: "table",
      make: tablePath,
      sql: (file) => `SELECT sum(fare) AS total FROM '${file}'`,
      needed: (path) => parquetBytes(path, { columns: ["fare"] }),
      bytes: { what: "blob bytes to the column's chunks and the footer", limit: 1.15 },
      requests: async (path) => (await parquetGroupCount(path)) + 4,
      faster: 8,
      hasPeers: true,
    }),
};

/** One per cent of the rows, inside one row group, as most such ranges lie. */
const RANGE = { column: "id", low: 700_000, high: 718_000 } as const;
const MAX_REQUESTS = 8;

export const parquetFilter: Scenario = {
  name: "parquet-filter",
  title: "DuckDB: a filter on the sorted column and three other columns, 1 % of the rows",
  run: (bench) =>
    answer(bench, {
      store: "table",
      make: tablePath,
      sql: (file) =>
        `SELECT max("at")::VARCHAR AS latest, sum(fare) AS fare, max(m3) AS m3 FROM '${file}' WHERE ${RANGE.column} BETWEEN ${RANGE.low} AND ${RANGE.high}`,
      needed: async (path) => {
        const groups = await parquetGroups(path, RANGE);
        return parquetBytes(path, { columns: ["id", "at", "fare", "m3"], groups });
      },
      bytes: { what: "blob bytes to the four chunks and the footer", limit: 1.3 },
      requests: () => Promise.resolve(MAX_REQUESTS),
      faster: 8,
    }),
};

export const parquetHead: Scenario = {
  name: "parquet-head",
  title: "DuckDB: ten rows of all columns",
  run: (bench) =>
    answer(bench, {
      store: "table",
      make: tablePath,
      sql: (file) => `SELECT * FROM '${file}' LIMIT 10`,
      needed: (path) => parquetBytes(path, { groups: [0] }),
      bytes: { what: "blob bytes to the first row group and the footer", limit: 1.05 },
      requests: () => Promise.resolve(MAX_REQUESTS),
      faster: 4,
    }),
};

const WIDE = ["c10", "c60", "c61", "c200", "c290"];

export const parquetWide: Scenario = {
  name: "parquet-wide",
  title: "DuckDB: five columns of a file of 300",
  run: (bench) =>
    answer(bench, {
      store: "wide",
      make: makeWide,
      sql: (file) => `SELECT ${WIDE.map((name) => `sum(${name}) AS ${name}`).join(", ")} FROM '${file}'`,
      needed: (path) => parquetBytes(path, { columns: WIDE }),
      bytes: { what: "blob bytes to the five columns and the footer", limit: 4 },
      requests: () => Promise.resolve(MAX_REQUESTS),
      faster: 1,
    }),
};
