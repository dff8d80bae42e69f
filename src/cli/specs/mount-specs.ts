import type { CommandSpec } from "../command.ts";
import { ARCHIVE_FLAGS, MOUNT_FLAGS } from "./tree-flags.ts";

export const MOUNT_SPECS: readonly CommandSpec[] = [
  {
    name: "mount",
    args: "<ref> <dir>",
    about: "show an artifact as a read-only directory",
    more: `Returns when the tree answers and leaves a daemon behind; riffle unmount ends it. Only what is read is fetched.
With --json prints one object: the accounting of riffle status.`,
    flags: [{ flags: "-f, --foreground", about: "stay, and unmount on Ctrl-C" }, ...MOUNT_FLAGS, ...ARCHIVE_FLAGS],
    examples: [
      "riffle mount ghcr.io/eo/scenes:v1 /mnt/scenes",
      "riffle mount oci:./layout:v1 ./scenes --include '*.parquet'",
      "riffle mount localhost:5000/eo/scenes@sha256:... /mnt/scenes --foreground -vv",
      "riffle mount ghcr.io/eo/scenes:v1 /mnt/scenes --prefetch all",
    ],
    load: () => import("../commands/mount.ts"),
  },
  {
    name: "unmount",
    alias: "umount",
    args: "[dir...]",
    about: "end mounts and their daemons",
    flags: [
      { flags: "-a, --all", about: "all mounts of this user, dead ones too" },
      { flags: "-l, --lazy", about: "detach now, end when the last open file is closed" },
    ],
    examples: ["riffle unmount /mnt/scenes", "riffle umount --lazy /mnt/a /mnt/b", "riffle unmount --all"],
    load: () => import("../commands/unmount.ts"),
  },
  {
    name: "status",
    args: "[dir]",
    about: "the mounts of this user and what each has moved",
    more: `FETCHED counts body bytes from the network, READ the bytes given to readers,
PREFETCH what --prefetch has brought. --json prints {"mounts":[...]}.`,
    flags: [{ flags: "-w, --watch", about: "again every second, until Ctrl-C" }],
    examples: ["riffle status", "riffle status /mnt/scenes --json", "riffle status --watch"],
    load: () => import("../commands/status.ts"),
  },
  {
    name: "run",
    args: "<ref> <cmd...>",
    about: "mount in a private directory, run a command, unmount",
    more: `The mount's path is in RIFFLE_MOUNT and replaces every {} in the arguments. One line of accounting goes to stderr
(with --json: one object, on stderr). Exit code: the command's; 128 + n when signal n ended it; 127 when it is not
found; 125 when riffle itself failed.`,
    flags: [...MOUNT_FLAGS, ...ARCHIVE_FLAGS],
    examples: [
      "riffle run ghcr.io/eo/scenes:v1 -- duckdb -c \"select count(*) from '{}/trips.parquet'\"",
      "riffle run oci:./layout:v1 -- sh -c 'ls -l $RIFFLE_MOUNT'",
    ],
    passesArguments: true,
    failureCode: 125,
    load: () => import("../commands/run.ts"),
  },
];
