import { query } from "../../test/support/data.ts";
import { fileSpec } from "../answers.ts";
import { pagedTablePath, ROW_GROUP, smallTablePath, TABLE, tablePath } from "../data.ts";
import { askLibrary, queryResult } from "../library.ts";
import { parquetBytes } from "../parquet.ts";
import type { QueryTask } from "../probes/query.ts";
import { pythonPeers } from "../python-peers.ts";
import type { Scenario } from "../scenario.ts";

interface TableQuestion {
  readonly name: string;
  readonly title: string;
  /** Under which it is stored. */
  readonly artifact: "table" | "paged";
  readonly columns?: readonly string[];
  readonly where?: string;
  readonly limit?: number;
  /** What peers are asked, of `FILE`, with `where` for its condition. */
  readonly sql: string;
  /** Instead of `where` for a small file of the first rows. */
  readonly smallWhere?: string;
  /** Row groups whose chunks are needed: those that a predicate or limit leaves. */
  readonly rowGroups?: readonly number[];
  readonly ratio: number;
  readonly requests: number;
}

function tableScenario(question: TableQuestion): Scenario {
  const { name, title, artifact, columns, where, smallWhere, limit } = question;
  const questionOf = (condition: string | undefined): QueryTask["query"] => ({
    kind: "table",
    ...(columns && { columns }),
    ...(condition !== undefined && { where: condition }),
    ...(limit !== undefined && { limit }),
  });
  return {
    name,
    title,
    async run(bench) {
      const path = await (artifact === "paged" ? pagedTablePath(bench) : tablePath(bench));
      const { reference } = await bench.store(artifact, async () => fileSpec(TABLE, path));
      const small = await smallTablePath(bench);
      const warm = await bench.store("small-table", async () => fileSpec(TABLE, small));
      const picked = columns?.map((column) => `"${column}"`).join(", ") ?? "*";
      const restriction = `${where === undefined ? "" : ` WHERE ${where}`}${limit === undefined ? "" : ` LIMIT ${limit}`}`;
      const rows = await query(
        `SELECT count(*)::VARCHAR AS n${columns?.length === 1 ? `, sum(${picked})::DOUBLE AS s` : ""} FROM (SELECT ${picked} FROM '${path}'${restriction})`,
      );
      const sum = rows[0]?.["s"];
      const right = { count: Number(rows[0]?.["n"]), ...(typeof sum === "number" ? { sum } : {}) };
      const task: Omit<QueryTask, "cacheDir"> = {
        reference,
        path: TABLE,
        query: questionOf(where),
        warm: { reference: warm.reference, query: questionOf(smallWhere) },
      };
      const needed = await parquetBytes(path, {
        ...(columns && { columns }),
        ...(question.rowGroups && { groups: question.rowGroups }),
      });
      return queryResult(bench, {
        one: () => askLibrary(bench, task, right),
        limits: { needed, ratio: question.ratio, requests: question.requests },
        rival: "polars",
        peers: await pythonPeers(bench, {
          file: `${artifact}/${TABLE}`,
          sql: question.sql,
          small: { file: `small-table/${TABLE}`, sql: question.sql.replace(where ?? "", smallWhere ?? "") },
        }),
      });
    },
  };
}

// Rows are a second apart: one per cent of them, inside one row group.
const ONE_PER_CENT = `"at" >= TIMESTAMP '2024-01-07 00:00:00' AND "at" < TIMESTAMP '2024-01-07 05:00:00'`;
const TEN_MINUTES = `"at" >= TIMESTAMP '2024-01-01 00:10:00' AND "at" < TIMESTAMP '2024-01-01 00:20:00'`;
const HIT_GROUP = Math.floor((6 * 86_400) / ROW_GROUP);

export const tableColumn: Scenario = tableScenario({
  name: "table-column",
  title: "riffle table: one column of 20, all rows",
  artifact: "table",
  columns: ["value"],
  sql: "SELECT sum(value) FROM FILE",
  ratio: 1.05,
  requests: 15 + 1,
});

export const tableFilter: Scenario = tableScenario({
  name: "table-filter",
  title: "riffle table: a filter on the sorted column, three other columns, 1 % of the rows",
  artifact: "table",
  columns: ["at", "fare", "value", "station"],
  where: ONE_PER_CENT,
  smallWhere: TEN_MINUTES,
  rowGroups: [HIT_GROUP],
  sql: `SELECT fare, value, station FROM FILE WHERE ${ONE_PER_CENT}`,
  ratio: 1.05,
  requests: 8,
});

export const tableFilterPages: Scenario = tableScenario({
  name: "table-filter-pages",
  title: "the same on a file with a page index: at most half of the chunks",
  artifact: "paged",
  columns: ["at", "fare", "value", "station"],
  where: ONE_PER_CENT,
  smallWhere: TEN_MINUTES,
  rowGroups: [HIT_GROUP],
  sql: `SELECT fare, value, station FROM FILE WHERE ${ONE_PER_CENT}`,
  ratio: 0.5,
  requests: 12,
});

export const tableLimit: Scenario = tableScenario({
  name: "table-limit",
  title: "riffle table: all columns, ten rows",
  artifact: "table",
  limit: 10,
  rowGroups: [0],
  sql: "SELECT * FROM FILE LIMIT 10",
  ratio: 1.05,
  requests: 8,
});
