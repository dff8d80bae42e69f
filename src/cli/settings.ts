import { resolve } from "node:path";
import type { Prefetch } from "../artifact/fill-ahead.ts";
import { RiffleError } from "../errors.ts";
import { parseMirrors, type MirrorSettings } from "./mirror-settings.ts";
import { parseDuration, parseSize } from "./quantities.ts";

/** INTERFACE section 2, "Global flags", after flag, variable, file and default were weighed. */
export interface Settings {
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  readonly caFile: string | undefined;
  readonly username: string | undefined;
  readonly passwordStdin: boolean;
  readonly registryConfig: string | undefined;
  readonly platform: string | undefined;
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly noCache: boolean;
  readonly noExtents: boolean;
  readonly offline: boolean;
  readonly prefetch: Prefetch;
  readonly json: boolean;
  readonly quiet: boolean;
  /** 0: warnings and errors; 1: what riffle does, and every request; 2: the same in the log file. */
  readonly verbose: number;
  readonly logFile: string | undefined;
  readonly traceFile: string | undefined;
  readonly timeoutMs: number;
  /** Of the configuration file alone. */
  readonly mirrors: MirrorSettings;
}

type Kind = "switch" | "text" | "path" | "size" | "duration" | "count" | "platform" | "prefetch";

interface Setting {
  /** Without the dashes; the variable and the file's key follow from it. */
  readonly name: string;
  readonly kind: Kind;
  readonly flags: string;
  readonly about: string;
  /** The commands that have the flag; all, where it is absent. Variable and key are for these commands too. */
  readonly only?: readonly string[];
}

/** In the order of the help. */
export const SETTINGS: readonly Setting[] = [
  { name: "plain-http", kind: "switch", flags: "--plain-http", about: "speak HTTP, not HTTPS, to the registry" },
  { name: "insecure", kind: "switch", flags: "--insecure", about: "do not check the registry's certificate" },
  { name: "ca-file", kind: "path", flags: "--ca-file <file>", about: "trust the certificates in this PEM file too" },
  { name: "username", kind: "text", flags: "--username <name>", about: "user name; needs --password-stdin" },
  {
    name: "password-stdin",
    kind: "switch",
    flags: "--password-stdin",
    about: "read the password, one line, from stdin",
  },
  {
    name: "registry-config",
    kind: "path",
    flags: "--registry-config <file>",
    about: "credentials file, in the form of Docker's config.json",
  },
  {
    name: "platform",
    kind: "platform",
    flags: "--platform <os/arch[/variant]>",
    about: "which entry of an image index (default: this machine's)",
  },
  { name: "cache-dir", kind: "path", flags: "--cache-dir <dir>", about: "where fetched bytes are kept" },
  { name: "cache-size", kind: "size", flags: "--cache-size <size>", about: "how much is kept, K M G T (default: 20G)" },
  { name: "no-cache", kind: "switch", flags: "--no-cache", about: "keep nothing on disk" },
  { name: "no-extents", kind: "switch", flags: "--no-extents", about: "do not look into files for their units" },
  {
    name: "offline",
    kind: "switch",
    flags: "--offline",
    about: "ask no registry: what the cache holds, and an error at once for the rest",
  },
  {
    name: "prefetch",
    kind: "prefetch",
    flags: "--prefetch <what>",
    about: "fetch in the background, behind every reader: none, hints (indexes of known formats), all (default: none)",
    only: ["mount", "run"],
  },
  { name: "json", kind: "switch", flags: "--json", about: "results, and errors, as JSON on stdout" },
  { name: "quiet", kind: "switch", flags: "-q, --quiet", about: "only errors on stderr" },
  {
    name: "verbose",
    kind: "count",
    flags: "-v, --verbose",
    about: "say what is done, and each request; twice: to the log too",
  },
  { name: "log-file", kind: "path", flags: "--log-file <file>", about: "append the log to this file" },
  {
    name: "trace",
    kind: "path",
    flags: "--trace <file>",
    about: "append each read and each request to this file, as JSON lines; slower",
  },
  {
    name: "timeout",
    kind: "duration",
    flags: "--timeout <duration>",
    about: "longest wait for the registry, ms s m h (default: 60s)",
  },
];

export const DEFAULT_CACHE_BYTES: number = 20 * 1024 ** 3;
export const DEFAULT_TIMEOUT_MS = 60_000;
const MOST_VERBOSE = 2;

/** `cache-dir` -> `RIFFLE_CACHE_DIR`. */
export function variableOf(name: string): string {
  return `RIFFLE_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** `cache-dir` -> `cacheDir`; the file may also spell it as the flag does. */
export function keyOf(name: string): string {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

const SWITCH_WORDS: Readonly<Record<string, boolean>> = {
  1: true,
  true: true,
  yes: true,
  on: true,
  0: false,
  false: false,
  no: false,
  off: false,
};

function parseSwitch(value: unknown): boolean {
  const word = typeof value === "string" ? SWITCH_WORDS[value.toLowerCase()] : value;
  if (typeof word === "boolean") return word;
  throw new RiffleError("usage", "not a switch", { hint: "true or false" });
}

function parseCount(value: unknown): number {
  const word = typeof value === "string" ? SWITCH_WORDS[value.toLowerCase()] : value;
  const digits = typeof value === "string" && /^\d{1,3}$/.test(value) ? Number(value) : value;
  const count = typeof digits === "number" || word === undefined ? digits : Number(word);
  if (typeof count === "number" && Number.isSafeInteger(count) && count >= 0) return Math.min(count, MOST_VERBOSE);
  throw new RiffleError("usage", "not a count", { hint: "0, 1 or 2" });
}

function parseText(value: unknown): string {
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
  throw new RiffleError("usage", "a text that is not empty is wanted");
}

/** One value, wherever it comes from: text from a flag or variable; a boolean or number from a flag or the file. */
const PARSERS: Readonly<Record<Kind, (value: unknown, base: string) => unknown>> = {
  switch: parseSwitch,
  count: parseCount,
  text: parseText,
  size: (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : parseSize(parseText(value)),
  duration: (value) => parseDuration(parseText(value)),
  path: (value, base) => resolve(base, parseText(value)),
  platform: (value) => parsePlatform(parseText(value)),
  prefetch: (value) => parsePrefetch(parseText(value)),
};

const PREFETCHES: readonly Prefetch[] = ["none", "hints", "all"];

function parsePrefetch(text: string): Prefetch {
  const found = PREFETCHES.find((word) => word === text);
  if (found !== undefined) return found;
  throw new RiffleError("usage", `not a way to prefetch: "${text.slice(0, 80)}"`, { hint: PREFETCHES.join(", ") });
}

function parsePlatform(text: string): string {
  if (/^[a-z0-9._-]{1,64}\/[a-z0-9._-]{1,64}(?:\/[a-z0-9._-]{1,64})?$/i.test(text)) return text;
  throw new RiffleError("usage", `not a platform: "${text.slice(0, 80)}"`, {
    hint: "such as linux/amd64 or linux/arm/v7",
  });
}

function named<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof RiffleError)) throw error;
    const details = error.hint === undefined ? {} : { hint: error.hint };
    throw new RiffleError("usage", `${where}: ${error.message}`, details);
  }
}

/** What the configuration file holds: values by setting name. */
export interface FileSettings {
  readonly path: string;
  readonly values: ReadonlyMap<string, unknown>;
}

/** For editors; no setting. */
const SCHEMA_KEY = "$schema";
/** A setting that no flag could say. */
export const MIRRORS_KEY = "mirrors";

/** Checks every key and value of a configuration document. Throws `usage` naming the key. */
export function parseFileSettings(document: unknown, path: string): FileSettings {
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new RiffleError("usage", `${path}: the configuration is not a JSON object`);
  const values = new Map<string, unknown>();
  const base = resolve(path, "..");
  for (const [key, value] of Object.entries(document)) {
    if (key === SCHEMA_KEY) continue;
    if (key === MIRRORS_KEY) {
      values.set(
        key,
        named(`${path}: ${key}`, () => parseMirrors(value, base)),
      );
      continue;
    }
    const setting = SETTINGS.find(({ name }) => name === key || keyOf(name) === key);
    if (setting === undefined) {
      throw new RiffleError("usage", `${path}: unknown key "${key.slice(0, 80)}"`, {
        hint: `known keys: ${[...SETTINGS.map(({ name }) => keyOf(name)), MIRRORS_KEY].join(", ")}`,
      });
    }
    if (values.has(setting.name)) throw new RiffleError("usage", `${path}: "${keyOf(setting.name)}" is given twice`);
    values.set(
      setting.name,
      named(`${path}: ${key}`, () => parseFileValue(setting.kind, value, base)),
    );
  }
  return { path, values };
}

function parseFileValue(kind: Kind, value: unknown, base: string): unknown {
  if (kind === "switch" && typeof value !== "boolean") throw new RiffleError("usage", "true or false is wanted");
  if (kind === "count" && typeof value !== "number") throw new RiffleError("usage", "0, 1 or 2 is wanted");
  return PARSERS[kind](value, base);
}

export interface SettingSources {
  /** By setting name; absent where the flag was not given. */
  readonly flags: ReadonlyMap<string, unknown>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file: FileSettings | undefined;
  readonly cwd: string;
  readonly defaultCacheDir: string;
}

/** Flag, variable, file, default, in this order. Throws `usage` naming the flag, variable or key that is off. */
export function resolveSettings(sources: SettingSources): Settings {
  const values = new Map<string, unknown>();
  for (const { name, kind } of SETTINGS) {
    const variable = variableOf(name);
    const text = sources.environment[variable];
    if (sources.flags.has(name)) {
      values.set(
        name,
        named(`--${name}`, () => PARSERS[kind](sources.flags.get(name), sources.cwd)),
      );
    } else if (text !== undefined && text !== "") {
      values.set(
        name,
        named(variable, () => PARSERS[kind](text, sources.cwd)),
      );
    } else if (sources.file?.values.has(name) === true) {
      values.set(name, sources.file.values.get(name));
    }
  }
  // The kinds of the table above are those of the interface: `parseValue` gave each its type.
  const get = <T>(name: string, fallback: T): T => (values.has(name) ? (values.get(name) as T) : fallback);
  return {
    plainHttp: get("plain-http", false),
    insecure: get("insecure", false),
    caFile: get<string | undefined>("ca-file", undefined),
    username: get<string | undefined>("username", undefined),
    passwordStdin: get("password-stdin", false),
    registryConfig: get<string | undefined>("registry-config", undefined),
    platform: get<string | undefined>("platform", undefined),
    cacheDir: get("cache-dir", sources.defaultCacheDir),
    cacheBytes: get("cache-size", DEFAULT_CACHE_BYTES),
    noCache: get("no-cache", false),
    noExtents: get("no-extents", false),
    offline: get("offline", false),
    prefetch: get<Prefetch>("prefetch", "none"),
    json: get("json", false),
    quiet: get("quiet", false),
    verbose: get("verbose", 0),
    logFile: get<string | undefined>("log-file", undefined),
    traceFile: get<string | undefined>("trace", undefined),
    timeoutMs: get("timeout", DEFAULT_TIMEOUT_MS),
    // The key alone gives it: `parseMirrors` made it.
    mirrors: (sources.file?.values.get(MIRRORS_KEY) ?? {}) as MirrorSettings,
  };
}
