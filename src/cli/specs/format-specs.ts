import type { CommandSpec, FlagSpec } from "../command.ts";
import { ARCHIVE_FLAGS } from "./tree-flags.ts";

/** The same on every command that answers a query. */
const ANSWER_FLAGS: readonly FlagSpec[] = [
  { flags: "-o, --output <file>", about: "where to (default: stdout); the name's ending tells the format" },
  { flags: "--force", about: "replace an output file that is there" },
  { flags: "--explain", about: "say what would be read, and read nothing but the index" },
  { flags: "--frugal", about: "never fetch a byte that nobody asked for: no merging over gaps" },
  ...ARCHIVE_FLAGS,
];

/** Commands that know what a file is. */
export const FORMAT_SPECS: readonly CommandSpec[] = [
  {
    name: "info",
    args: "<ref> <path>",
    about: "what a file is: schema, row groups, raster size, bands, tensors and more",
    more: `The content decides what the file is; its name and media type only say where to look first. Mostly one request is
enough. A directory is described where it is a Zarr store. --json prints one object: {"path","type","size","digest","mediaType","format",
"title","facts","notes"}; format is null for what riffle does not know.`,
    flags: [...ARCHIVE_FLAGS],
    examples: [
      "riffle info ghcr.io/eo/scenes:v1 scene.tif",
      "riffle info ghcr.io/eo/trips:v1 trips.parquet --json | jq .facts",
      "riffle info oci:./layout:v1 store.zarr",
    ],
    load: () => import("../commands/info.ts"),
  },
  {
    name: "table",
    args: "<ref> <path>",
    about: "rows and columns of a tabular file, a directory of them, or a pattern",
    more: `Parquet, GeoParquet, Arrow IPC, FlatGeobuf, CSV and NDJSON. Only the columns, row groups and pages that can hold
wanted rows are fetched. A directory (year=2024/month=01/x.parquet) or a pattern is one table. On a terminal the first rows
are shown as an aligned table; into a pipe goes CSV.`,
    flags: [
      { flags: "--columns <names>", about: "only these, in this order: a,b.c" },
      {
        flags: "--where <expr>",
        about: "only rows for which this SQL expression is true: =, <, IN, BETWEEN, IS NULL, LIKE 'x%', AND OR NOT",
      },
      { flags: "--bbox <w,s,e,n>", about: "only rows whose geometry meets the box" },
      { flags: "--limit <n>", about: "at most so many rows" },
      {
        flags: "--format <name>",
        about: "of the result (default: by the output's ending, else csv)",
        choices: ["csv", "json", "ndjson", "arrow", "markdown"],
      },
      ...ANSWER_FLAGS,
    ],
    examples: [
      "riffle table ghcr.io/eo/trips:v1 trips.parquet --limit 10",
      `riffle table ghcr.io/eo/trips:v1 trips.parquet --columns id,fare --where "fare > 50 AND zone IN ('JFK', 'LGA')"`,
      "riffle table ghcr.io/eo/trips:v1 'trips/year=2024/*/*.parquet' --explain",
      "riffle table ghcr.io/eo/places:v1 places.parquet --bbox 5.9,45.8,10.5,47.8 -o places.arrow",
    ],
    load: () => import("../commands/table.ts"),
  },
  {
    name: "raster",
    args: "<ref> <path>",
    about: "a window, a reduced image or a tile of a raster",
    more: `GeoTIFF and PMTiles. Only the tiles of the window are fetched, from the overview that is just large enough for
--size. GeoTIFF output keeps the georeference; PNG is scaled to 8 bit by percentiles so that a person sees something.`,
    flags: [
      { flags: "--window <x,y,w,h>", about: "pixels of the full image, from the upper left corner" },
      { flags: "--bbox <w,s,e,n>", about: "an area, in the raster's coordinates or those of --bbox-crs" },
      { flags: "--bbox-crs <crs>", about: "what --bbox is in, such as EPSG:4326" },
      { flags: "--size <w,h>", about: "pixels of the result (default: full resolution)" },
      { flags: "--bands <list>", about: "counted from 1: 3,2,1 (default: all)" },
      {
        flags: "--tile <z/x/y>",
        about: "one tile of a PMTiles archive, as it is stored; of others a Web Mercator tile",
      },
      {
        flags: "--format <name>",
        about: "of the result (default: by the output's ending, else tiff)",
        choices: ["tiff", "png", "npy"],
      },
      {
        flags: "--scale <how>",
        about: "for png: percentiles, none, or MIN,MAX (default: percentiles, and none for 8-bit colours)",
      },
      ...ANSWER_FLAGS,
    ],
    examples: [
      "riffle raster ghcr.io/eo/scenes:v1 B04.tif --window 5000,5100,1024,1024 -o window.tif",
      "riffle raster ghcr.io/eo/scenes:v1 TCI.tif --size 686,686 -o overview.png",
      "riffle raster ghcr.io/eo/scenes:v1 B04.tif --bbox 11.1,48.0,11.2,48.1 --bbox-crs EPSG:4326 --format npy > b04.npy",
      "riffle raster ghcr.io/eo/maps:v1 world.pmtiles --tile 3/4/2 -o tile.mvt",
    ],
    load: () => import("../commands/raster.ts"),
  },
  {
    name: "array",
    args: "<ref> <path>",
    about: "an array, a tensor, or a slice of one",
    more: `.npy, .npz, safetensors, Zarr (a directory, or one zip), HDF5 and NetCDF-4. Only the chunks or rows of the slice
are fetched. On a terminal the result is JSON; into a pipe goes .npy.`,
    flags: [
      { flags: "--name <key>", about: "which array; may be left out where there is one" },
      { flags: "--slice <slice>", about: 'as NumPy slices: "0:10,:,5"; steps are positive' },
      {
        flags: "--format <name>",
        about: "of the result (default: by the output's ending, else npy)",
        choices: ["npy", "json"],
      },
      ...ANSWER_FLAGS,
    ],
    examples: [
      "riffle array ghcr.io/models/tiny:v1 model.safetensors --name lm_head.weight -o head.npy",
      'riffle array ghcr.io/eo/climate:v1 t2m.zarr --name t2m --slice "0,:,:" -o t2m.npy',
      'riffle array ghcr.io/eo/climate:v1 weights.npy --slice ":3,:3" --format json',
    ],
    load: () => import("../commands/array.ts"),
  },
];
