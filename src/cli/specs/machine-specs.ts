import type { CommandGroup, CommandSpec } from "../command.ts";

export const MACHINE_SPECS: readonly CommandSpec[] = [
  {
    name: "doctor",
    args: "[ref]",
    about: "what this machine, and that registry, can do",
    more: `One line each: ok, warn or fail, and the remedy. Exit code 8 when this machine cannot mount at all; with REF the
code of what keeps the registry from being used. REF is opened as a mount would open it; then the registry is tried with one
range, one HEAD and nine more small ranges, eight at once, of its largest layer, and one question for referrers: at most 16
requests and 64 KiB of layers beyond the opening, redirects and tokens aside. A registry without ranges is asked for one layer only.`,
    flags: [],
    examples: ["riffle doctor", "riffle doctor ghcr.io/eo/scenes:v1", "riffle doctor --json | jq '.checks[].status'"],
    load: () => import("../commands/doctor.ts"),
  },
  {
    name: "login",
    args: "<host>",
    about: "store credentials in the Docker configuration",
    more: `Asks for what is not given, where there is a terminal. The registry is asked before anything is stored.`,
    flags: [],
    examples: [
      "riffle login ghcr.io",
      "echo $TOKEN | riffle login ghcr.io --username me --password-stdin",
      "riffle login localhost:5000 --plain-http",
    ],
    asksPassword: true,
    load: () => import("../commands/login.ts"),
  },
  {
    name: "logout",
    args: "<host>",
    about: "remove stored credentials",
    flags: [],
    examples: ["riffle logout ghcr.io", "riffle logout localhost:5000 --registry-config ./auth.json"],
    load: () => import("../commands/logout.ts"),
  },
];

export const CACHE_GROUP: CommandGroup = {
  name: "cache",
  about: "the cache on disk",
  commands: [
    {
      name: "status",
      args: "",
      about: "where it is and how much it holds",
      flags: [],
      examples: ["riffle cache status", "riffle cache status --json --cache-dir /scratch/riffle"],
      load: () => import("../commands/cache-status.ts"),
    },
    {
      name: "clear",
      args: "",
      about: "remove all that no mount has open",
      flags: [],
      examples: ["riffle cache clear", "riffle cache clear --json"],
      load: () => import("../commands/cache-clear.ts"),
    },
    {
      name: "ls",
      args: "",
      about: "every content, least recently used first",
      more: `--json prints one object a line: {"id","size","heldBytes","diskBytes","verified","used"}. verified is full, chunk or
transport; used is when a mount last asked for it, to the minute.`,
      flags: [],
      examples: ["riffle cache ls", "riffle cache ls --json | jq -r 'select(.verified == \"full\") | .id'"],
      load: () => import("../commands/cache-ls.ts"),
    },
    {
      name: "verify",
      args: "",
      about: "read all of it, check it, and remove what is wrong",
      more: `Every byte is compared with its checksum, every whole content with its digest. Exit code 6 when something was wrong;
it is gone then, and will be fetched again when it is wanted.`,
      flags: [],
      examples: ["riffle cache verify", "riffle cache verify --json"],
      load: () => import("../commands/cache-verify.ts"),
    },
    {
      name: "prune",
      args: "",
      about: "remove what is old, or more than a size",
      flags: [
        { flags: "--max-size <size>", about: "keep no more than this, the most recently used" },
        { flags: "--max-age <duration>", about: "keep nothing that was not used for so long, ms s m h" },
      ],
      examples: ["riffle cache prune --max-size 5G", "riffle cache prune --max-age 720h"],
      load: () => import("../commands/cache-prune.ts"),
    },
  ],
  notYet: [],
};

/** Documented commands whose stage has not come. */
export const NOT_YET_COMMANDS: readonly string[] = [
  "index",
  "bench",
  "verify",
  "policy",
  "serve",
  "push",
  "completion",
];
