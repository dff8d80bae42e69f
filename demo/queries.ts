import { TILE_PIXELS, windowBytes, type CogLayout } from "./cog.ts";
import { neededOf } from "./data.ts";

export type DemoFile = "flights" | "precipitation";

export type Question =
  | {
      readonly kind: "sql";
      /** `FILE` stands for the path. */
      readonly sql: string;
      readonly columns: readonly string[];
      /** Which row groups `sql` needs, as a condition on `parquet_metadata`. */
      readonly groups: string;
    }
  | {
      readonly kind: "window";
      readonly reader: "geotiff" | "gdal";
      /** 0 is full resolution. */
      readonly level: number;
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    };

export interface DemoQuery {
  readonly name: string;
  readonly file: DemoFile;
  readonly question: Question;
  /** Bytes that no reader can do without. */
  readonly needed: number;
}

/** A row group may hold a flight of [from, to): the statistics of `date` say so. */
const datesOverlap = (from: string, to: string): string =>
  `path_in_schema = 'date' AND stats_max_value::TIMESTAMP >= '${from}' AND stats_min_value::TIMESTAMP < '${to}'`;

const DAY = ["2001-02-14", "2001-02-15"] as const;

const SQL: readonly (Omit<Extract<Question, { kind: "sql" }>, "kind"> & { readonly name: string })[] = [
  {
    name: "mean delay of 3 million flights",
    sql: "SELECT round(avg(delay), 3) || ' min' AS answer FROM 'FILE'",
    columns: ["delay"],
    groups: "true",
  },
  {
    name: "busiest route on 14 February 2001",
    sql: `SELECT origin || '-' || destination || ', ' || count(*) || ' flights' AS answer FROM 'FILE' WHERE date >= '${DAY[0]}' AND date < '${DAY[1]}' GROUP BY origin, destination ORDER BY count(*) DESC, 1 LIMIT 1`,
    columns: ["date", "origin", "destination"],
    groups: datesOverlap(...DAY),
  },
];

/** The whole grid is 360 x 168 degrees at 20 pixels a degree; row 0 is 87 degrees north. */
const WINDOWS = {
  "rain over the Alps, 512 x 512": { level: 0, x: 3680, y: 700, width: TILE_PIXELS, height: TILE_PIXELS },
  "rain on Earth, 1/8 overview": { level: 3, x: 0, y: 0, width: 900, height: 420 },
} as const;

export async function demoQueries(
  files: { readonly flights: string; readonly layout: CogLayout },
  options: { readonly gdal: boolean },
): Promise<readonly DemoQuery[]> {
  const queries: DemoQuery[] = [];
  for (const { name, ...rest } of SQL) {
    const needed = await neededOf(files.flights, rest.columns, rest.groups);
    queries.push({ name: `DuckDB: ${name}`, file: "flights", question: { kind: "sql", ...rest }, needed });
  }
  for (const [name, window] of Object.entries(WINDOWS)) {
    const question = { kind: "window", reader: "geotiff", ...window } as const;
    queries.push({
      name: `geotiff: ${name}`,
      file: "precipitation",
      question,
      needed: windowBytes(files.layout, window),
    });
  }
  if (options.gdal) {
    const window = WINDOWS["rain over the Alps, 512 x 512"];
    const question = { kind: "window", reader: "gdal", ...window } as const;
    queries.push({
      name: "GDAL: the same window",
      file: "precipitation",
      question,
      needed: windowBytes(files.layout, window),
    });
  }
  return queries;
}
