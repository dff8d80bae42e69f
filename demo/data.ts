import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeParquet, query } from "../test/support/data.ts";
import { ROOT } from "../test/support/root.ts";
import { writeCog, type CogLayout, type Georeference, type Grid } from "./cog.ts";

const VEGA = `${ROOT}node_modules/vega-datasets/data`;
const ROW_GROUP = 245_760;
/** Pixels of the made raster to one of the grid's degrees. */
const SCALE = 20;
/** Steps to a millimetre: a finer value would claim more than the grid knows, and would not compress. */
const STEPS = 16;

/** Three million flights within the USA in 2001, each joined with what is known of its two airports. */
export async function makeFlights(folder: string): Promise<string> {
  const airports = `'${VEGA}/airports.csv'`;
  const select = `SELECT f.date, f.delay, f.distance, f.origin, f.destination,
      f.date + to_minutes((30 + f.distance / 7.5)::BIGINT + f.delay) AS arrival,
      o.name AS origin_name, o.city AS origin_city, o.state AS origin_state, o.latitude AS origin_latitude, o.longitude AS origin_longitude,
      d.name AS destination_name, d.city AS destination_city, d.state AS destination_state, d.latitude AS destination_latitude, d.longitude AS destination_longitude
    FROM '${VEGA}/flights-3m.parquet' f LEFT JOIN ${airports} o ON f.origin = o.iata LEFT JOIN ${airports} d ON f.destination = d.iata
    ORDER BY f.date, f.origin, f.destination, f.delay, f.distance`;
  return makeParquet(join(folder, "flights.parquet"), select, { rowGroup: ROW_GROUP });
}

/** Bytes that a query over `columns` cannot do without: the footer, and their chunks in the row groups that `where` leaves. */
export async function neededOf(file: string, columns: readonly string[], where = "true"): Promise<number> {
  const names = columns.map((name) => `'${name}'`).join(", ");
  const rows = await query(
    `SELECT sum(total_compressed_size)::BIGINT::VARCHAR AS bytes FROM parquet_metadata('${file}') WHERE path_in_schema IN (${names}) AND row_group_id IN (SELECT row_group_id FROM parquet_metadata('${file}') WHERE ${where})`,
  );
  return Number(rows[0]?.["bytes"]) + footerBytes(file);
}

/** Length of the footer with its magic (parquet-format, "File format"). */
function footerBytes(file: string): number {
  const bytes = readFileSync(file).subarray(statSync(file).size - 8);
  return bytes.readUInt32LE(0) + 8;
}

interface Precipitation {
  readonly width: number;
  readonly height: number;
  readonly translate: readonly [number, number];
  readonly values: readonly number[];
}

/** Weights of four neighbours at `t` between the inner two (Catmull-Rom). */
function weights(t: number): readonly [number, number, number, number] {
  return [
    ((2 - t) * t - 1) * t * 0.5,
    ((3 * t - 5) * t * t + 2) * 0.5,
    ((4 - 3 * t) * t + 1) * t * 0.5,
    (t - 1) * t * t * 0.5,
  ];
}

/** `SCALE` times as many pixels each way: columns first, then along each row; the globe wraps from east to west. */
function enlarge({ width, height, values }: Precipitation): Grid {
  const out = new Float32Array(width * SCALE * height * SCALE);
  const column = new Float32Array(width);
  for (let y = 0; y < height * SCALE; y += 1) {
    const row = Math.floor(y / SCALE);
    const vertical = weights((y % SCALE) / SCALE);
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1)
        sum += (vertical[k] ?? 0) * (values[Math.min(height - 1, Math.max(0, row - 1 + k)) * width + x] ?? 0);
      column[x] = sum;
    }
    for (let step = 0; step < SCALE; step += 1) {
      const [a, b, c, d] = weights(step / SCALE);
      for (let x = 0; x < width; x += 1) {
        const before = column[x === 0 ? width - 1 : x - 1] ?? 0;
        const value =
          a * before + b * (column[x] ?? 0) + c * (column[(x + 1) % width] ?? 0) + d * (column[(x + 2) % width] ?? 0);
        out[y * width * SCALE + x * SCALE + step] = Math.max(0, Math.round(value * STEPS) / STEPS);
      }
    }
  }
  return { width: width * SCALE, height: height * SCALE, values: out };
}

/** Annual precipitation (mm) of the whole Earth, from a grid of one degree resampled to a twentieth. */
export async function makePrecipitation(
  folder: string,
): Promise<{ readonly file: string; readonly layout: CogLayout; readonly place: Georeference }> {
  // the package's own file, of this shape since its first release
  const grid = JSON.parse(readFileSync(join(VEGA, "annual-precip.json"), "utf8")) as Precipitation;
  const [west, north] = grid.translate;
  const place = { west, north, pixel: 1 / SCALE };
  const file = join(folder, "precipitation.tif");
  return { file, layout: await writeCog(file, enlarge(grid), place), place };
}
