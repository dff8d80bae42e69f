import { geojsonToWkb } from "hyparquet-writer/src/wkb.js";
import { parquetWriteBuffer } from "hyparquet-writer";
import { wkbToGeojson } from "hyparquet/src/wkb.js";
import { expect, test } from "vitest";
import { meets } from "../../../src/formats/parquet/geo.ts";
import { wkbBounds, type Bounds } from "../../../src/formats/parquet/geometry-bounds.ts";
import { parquetInfo } from "../../../src/formats/parquet/info.ts";
import { parquetTable } from "../../../src/formats/parquet/table.ts";
import type { BoundingBox, TableQuery, TableReader } from "../../../src/formats/table.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { fixtureSource } from "./fixture-units.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { renderColumn } from "./render.ts";

async function columnOf(
  table: TableReader,
  { name, ...query }: TableQuery & { readonly name: string },
): Promise<readonly string[]> {
  const values: string[] = [];
  for await (const batch of table.scan({ ...query, columns: [name] })) values.push(...renderColumn(batch, 0));
  return values;
}

function boundsOfWkb(hex: string): Bounds | undefined {
  const bytes = Buffer.from(hex.slice(1), "hex");
  const numbers: number[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value) && typeof value[0] === "number") numbers.push(value[0], value[1] as number);
    else if (Array.isArray(value)) value.forEach(collect);
  };
  const geometry = wkbToGeojson({ view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 });
  if ("coordinates" in geometry) collect(geometry.coordinates);
  const [xs, ys] = [numbers.filter((_, at) => at % 2 === 0), numbers.filter((_, at) => at % 2 === 1)];
  return xs.length === 0
    ? undefined
    : { xmin: Math.min(...xs), ymin: Math.min(...ys), xmax: Math.max(...xs), ymax: Math.max(...ys) };
}

const WITH_WKB = [
  "gdal/ogr/data/parquet/poly.parquet",
  "gdal/ogr/data/parquet/example.parquet",
  "gdal/ogr/data/parquet/test_geoparquet_1_1.parquet",
  "gdal/ogr/data/parquet/test_with_fid_and_geometry_bbox.parquet",
  "geoparquet/test_data/data-polygon-encoding_wkb.parquet",
  "geopandas/geoparquet/data-multipolygon-encoding_wkb.parquet",
  "stac-geoparquet/data/naip.parquet",
  "parquet-testing/data/geospatial/geography-polygons.parquet",
];

test.skipIf(FIXTURES === undefined).each(WITH_WKB)(
  "boxes in %s take the rows whose geometry's bounds meet them",
  async (path) => {
    await using table = await parquetTable(fixtureSource(path));
    const all = await columnOf(table, { name: "geometry" });
    const bounds = all.map((value) => (value === "null" ? undefined : boundsOfWkb(value)));
    const known = bounds.flatMap((one) => one ?? []);
    expect(known.length).toBeGreaterThan(0);
    const [some = { xmin: 0, ymin: 0, xmax: 0, ymax: 0 }] = known;
    const boxes: readonly BoundingBox[] = [
      { west: some.xmin, south: some.ymin, east: some.xmin, north: some.ymin },
      { west: some.xmax + 1e-9 * Math.abs(some.xmax), south: some.ymin, east: some.xmax + 1, north: some.ymax },
      { west: -1e9, south: -1e9, east: 1e9, north: 1e9 },
      { west: 170, south: -90, east: -170, north: 90 },
    ];
    for (const bbox of boxes) {
      const expected = all.filter((_, row) => {
        const own = bounds[row];
        return own !== undefined && meets(own, bbox);
      });
      expect(await columnOf(table, { name: "geometry", bbox })).toEqual(expected);
    }
  },
);

test.skipIf(FIXTURES === undefined)("GeoArrow's native encodings select the same rows as WKB does", async () => {
  for (const kind of ["linestring", "multilinestring", "multipolygon", "polygon"]) {
    await using native = await parquetTable(fixtureSource(`geopandas/geoparquet/data-${kind}-encoding_native.parquet`));
    await using wkb = await parquetTable(fixtureSource(`geopandas/geoparquet/data-${kind}-encoding_wkb.parquet`));
    for (const bbox of [
      { west: 0, south: 0, east: 15, north: 15 },
      { west: 34, south: 38, east: 50, north: 50 },
    ]) {
      const rows = await columnOf(native, { name: "col", bbox });
      expect({ kind, rows }).toEqual({ kind, rows: await columnOf(wkb, { name: "col", bbox }) });
    }
  }
});

const COUNT = 40_000;

/** Points on a line from west to east, with the covering that GeoParquet 1.1 describes. */
function covered(): Uint8Array {
  const x = (row: number): number => -180 + (row * 360) / COUNT;
  const index = { columnIndex: true, offsetIndex: true } as const;
  const geo = {
    version: "1.1.0",
    primary_column: "geometry",
    columns: {
      geometry: {
        encoding: "WKB",
        geometry_types: ["Point"],
        covering: { bbox: { xmin: ["xmin"], ymin: ["ymin"], xmax: ["xmax"], ymax: ["ymax"] } },
      },
    },
  };
  const side = (name: string, value: (row: number) => number) => ({
    name,
    data: Float32Array.from({ length: COUNT }, (_, row) => value(row)),
    type: "FLOAT" as const,
    encoding: "PLAIN" as const,
    ...index,
  });
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        side("xmin", x),
        side("ymin", () => 1),
        side("xmax", x),
        side("ymax", () => 1),
        {
          name: "geometry",
          data: Array.from({ length: COUNT }, (_, row) => geojsonToWkb({ type: "Point", coordinates: [x(row), 1] })),
          type: "BYTE_ARRAY",
          ...index,
        },
      ],
      kvMetadata: [{ key: "geo", value: JSON.stringify(geo) }],
      rowGroupSize: 10_000,
      pageSize: 8192,
    }),
  );
}

test("a covering leaves out row groups and pages; geometry decides", async () => {
  const content = covered();
  const source = loggedSource(content);
  await using table = await parquetTable(source);
  source.reset();
  const rowsIn = async (bbox: BoundingBox): Promise<number> => {
    let rows = 0;
    for await (const batch of table.scan({ columns: ["geometry"], bbox })) rows += batch.numRows;
    return rows;
  };
  expect(await rowsIn({ west: 10, south: 0, east: 11, north: 2 })).toBe(111);
  expect(source.calls.length).toBeLessThanOrEqual(3);
  expect(source.bytes()).toBeLessThan(content.length / 20);
  expect(await rowsIn({ west: 10, south: 2, east: 11, north: 3 })).toBe(0);
  expect(await rowsIn({ west: 179.5, south: 0, east: -179.5, north: 2 })).toBe(56 + 55);
  let first = 0;
  for await (const batch of table.scan({
    columns: ["xmin"],
    bbox: { west: -180, south: 0, east: 180, north: 2 },
    limit: 15_000,
  }))
    first += batch.numRows;
  expect(first).toBe(15_000);
  expect((await table.plan({ bbox: { west: 10, south: 0, east: 11, north: 2 } })).pruned[0]).toEqual({
    what: "row groups by statistics",
    total: 4,
    kept: 1,
  });
});

test.skipIf(FIXTURES === undefined)("info shows what the file says of its geometry", async () => {
  const { title, facts } = await parquetInfo(fixtureSource("gdal/ogr/data/parquet/poly.parquet"));
  expect(title).toBe("GeoParquet");
  expect(facts["geo"]).toMatchObject({
    version: "1.1.0",
    primaryColumn: "geometry",
    columns: [
      {
        name: "geometry",
        encoding: "WKB",
        geometryTypes: ["Polygon"],
        covering: true,
        bbox: [478_315.531_25, 4_762_880.5, 481_645.3125, 4_765_610.5],
      },
    ],
  });
  expect(
    (await parquetInfo(fixtureSource("parquet-testing/data/geospatial/crs-srid.parquet"))).facts["geometryColumns"],
  ).toMatchObject([{ type: "GEOMETRY" }]);
});

test("well-known binary that breaks off, lies about its size or nests without end is refused", () => {
  const point = geojsonToWkb({ type: "Point", coordinates: [1, 2] });
  expect(wkbBounds(point)).toEqual({ xmin: 1, ymin: 2, xmax: 1, ymax: 2 });
  expect(() => wkbBounds(point.subarray(0, 15))).toThrow("cut short");
  const line = new Uint8Array([1, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]);
  expect(() => wkbBounds(line)).toThrow("cut short");
  const nested = new Uint8Array(9 * 100).map((_, at) => [1, 7, 0, 0, 0, 1, 0, 0, 0][at % 9] ?? 0);
  expect(() => wkbBounds(nested)).toThrow("kind 7");
});
