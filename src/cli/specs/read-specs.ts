import type { CommandSpec } from "../command.ts";
import { ARCHIVE_FLAGS, FILTER_FLAGS, WHOLE_LAYER_FLAGS } from "./tree-flags.ts";

export const READ_SPECS: readonly CommandSpec[] = [
  {
    name: "ls",
    args: "<ref> [path]",
    about: "list the tree without mounting it",
    more: `--json prints one object a line: {"path","type","size","mode","mtime","digest"}. mode is the permission bits
as a decimal number (0444 is 292), mtime is whole seconds since 1970, digest is the layer's, null where there is none.`,
    flags: [
      { flags: "-l, --long", about: "with mode, size and time" },
      { flags: "-R, --recursive", about: "with everything below" },
      ...FILTER_FLAGS,
      ...ARCHIVE_FLAGS,
    ],
    examples: [
      "riffle ls ghcr.io/eo/scenes:v1",
      "riffle ls -lR oci:./layout:v1 data",
      "riffle ls -R --json ghcr.io/eo/scenes:v1 | jq -r .path",
      "riffle ls -R --unpack all ghcr.io/eo/patches:v1 10000.tar",
    ],
    load: () => import("../commands/ls.ts"),
  },
  {
    name: "cat",
    args: "<ref> <path...>",
    about: "write files, or a range of them, to stdout",
    flags: [
      {
        flags: "--range <range>",
        about: "START-END in bytes from 0 without the one at END; START- to the end; -N the last N",
      },
      ...ARCHIVE_FLAGS,
    ],
    examples: [
      "riffle cat ghcr.io/eo/scenes:v1 README.md",
      "riffle cat --range 0-4 ghcr.io/eo/scenes:v1 trips.parquet",
      "riffle cat --range -8 oci:./layout:v1 trips.parquet | xxd",
      "riffle cat --unpack all ghcr.io/eo/patches:v1 10000.tar/s2.npy > s2.npy",
    ],
    load: () => import("../commands/cat.ts"),
  },
  {
    name: "cp",
    args: "<ref> <path...>",
    about: "copy files or directories out of an artifact",
    more: `riffle cp REF PATH... DEST: the last argument is the destination. A transfer that was cut off goes on where it
stopped; a file gets its name only when it is whole and, where it is a whole layer, has its digest. A file that is
there already and differs is not replaced without --force.`,
    flags: [{ flags: "--force", about: "replace files that differ" }, ...FILTER_FLAGS, ...ARCHIVE_FLAGS],
    examples: [
      "riffle cp ghcr.io/eo/scenes:v1 trips.parquet .",
      "riffle cp ghcr.io/eo/scenes:v1 data/a data/b ./out --exclude '*.tmp'",
      "riffle cp oci:./layout:v1 . ./everything",
    ],
    load: () => import("../commands/cp.ts"),
  },
  {
    name: "prefetch",
    args: "<ref> [path...]",
    about: "fill the cache, for mounts that come later",
    more: `All of the artifact, or files, directories and patterns (as of --include) in it. What the cache holds already is not
fetched again, so that a prefetch that was cut off goes on where it stopped.`,
    flags: [...FILTER_FLAGS, ...ARCHIVE_FLAGS],
    examples: [
      "riffle prefetch ghcr.io/eo/scenes:v1",
      "riffle prefetch ghcr.io/eo/scenes:v1 trips.parquet 'tiles/*.tif'",
    ],
    load: () => import("../commands/prefetch.ts"),
  },
  {
    name: "pull",
    args: "<ref>",
    about: "fetch everything, every layer checked against its digest",
    more: `Layers become files with the names that a mount shows; --layout writes an OCI image layout, to be used as oci:DIR.
A pull that was cut off goes on where it stopped. No layer gets its name before its digest was checked.`,
    flags: [
      { flags: "-o, --output <dir>", about: "where to (required)" },
      { flags: "--layout", about: "write an OCI image layout" },
      { flags: "--force", about: "replace files that differ" },
      ...WHOLE_LAYER_FLAGS,
    ],
    examples: ["riffle pull ghcr.io/eo/scenes:v1 -o scenes", "riffle pull ghcr.io/eo/scenes:v1 --layout -o layout"],
    load: () => import("../commands/pull.ts"),
  },
  {
    name: "inspect",
    args: "<ref>",
    about: "what an artifact is: manifest, layers, names, formats, referrers",
    more: `Lists every name that was changed and every layer that was left out; with --unpack all what became of each archive.
--json prints one object.`,
    flags: [...ARCHIVE_FLAGS],
    examples: ["riffle inspect ghcr.io/eo/scenes:v1", "riffle inspect oci:./layout:v1 --json | jq .warnings"],
    load: () => import("../commands/inspect.ts"),
  },
];
