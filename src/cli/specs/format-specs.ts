import type { CommandSpec } from "../command.ts";
import { ARCHIVE_FLAGS } from "./tree-flags.ts";

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
];
