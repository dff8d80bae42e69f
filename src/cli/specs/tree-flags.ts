import type { FlagSpec } from "../command.ts";

/** Which part of the tree; the same words on every command that shows one. */
export const FILTER_FLAGS: readonly FlagSpec[] = [
  { flags: "--include <glob>", about: "only what matches; repeatable", repeatable: true },
  { flags: "--exclude <glob>", about: "not what matches; repeatable, wins over --include", repeatable: true },
];

export const MOUNT_FLAGS: readonly FlagSpec[] = [
  {
    flags: "--backend <name>",
    about: "how to reach the kernel: kernel (own protocol) or libfuse (default: what works here)",
    choices: ["auto", "kernel", "libfuse"],
  },
  ...FILTER_FLAGS,
  { flags: "--subpath <path>", about: "show only this directory, as the root" },
  { flags: "--allow-other", about: "let other users read the mount" },
  { flags: "--uid <id>", about: "owner of everything (default: you)" },
  { flags: "--gid <id>", about: "group of everything (default: yours)" },
  { flags: "--umask <octal>", about: "permission bits to take away, such as 077" },
  {
    flags: "--page-cache <when>",
    about: "which opens the kernel may cache: auto (whole and verified files), always, never",
    choices: ["auto", "always", "never"],
  },
  { flags: "--frugal", about: "never fetch a byte that nobody asked for: no merging over gaps, no read-ahead" },
];

const INDEX_FLAGS: readonly FlagSpec[] = [
  { flags: "--index <which>", about: "stage 4", notYet: true },
  { flags: "--index-key <file>", about: "stage 4", notYet: true },
];

/** How archives are shown; on everything that opens a tree. */
export const ARCHIVE_FLAGS: readonly FlagSpec[] = [
  {
    flags: "--unpack <how>",
    about: "all: tar layers are directories of what they hold; none, auto: files (default: auto)",
    choices: ["auto", "all", "none"],
  },
  ...INDEX_FLAGS,
];

/** The same for what takes layers as they are. */
export const WHOLE_LAYER_FLAGS: readonly FlagSpec[] = [
  { flags: "--unpack <how>", about: "stage 4", notYet: true },
  ...INDEX_FLAGS,
];
