import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DEFAULT_CACHE_BYTES,
  keyOf,
  MIRRORS_KEY,
  parseFileSettings,
  resolveSettings,
  SETTINGS,
  variableOf,
  type Settings,
} from "../../src/cli/settings.ts";
import { isRiffleError } from "../../src/errors.ts";

const resolve = (
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string>> = {},
  file?: unknown,
): Settings =>
  resolveSettings({
    flags: new Map(Object.entries(flags)),
    environment,
    file: file === undefined ? undefined : parseFileSettings(file, "/etc/riffle/config.json"),
    cwd: "/work",
    defaultCacheDir: "/home/me/.cache/riffle",
  });

test("without a word from anybody the defaults hold", () => {
  expect(resolve({})).toMatchObject({
    cacheDir: "/home/me/.cache/riffle",
    cacheBytes: DEFAULT_CACHE_BYTES,
    timeoutMs: 60_000,
    json: false,
    noCache: false,
    noExtents: false,
    verbose: 0,
    platform: undefined,
  });
});

const samples: Readonly<
  Record<string, readonly [flag: unknown, variable: string, file: unknown, key: keyof Settings]>
> = {
  "cache-dir": ["flag", "variable", "file", "cacheDir"],
  "ca-file": ["flag", "variable", "file", "caFile"],
  "registry-config": ["flag", "variable", "file", "registryConfig"],
  "log-file": ["flag", "variable", "file", "logFile"],
  trace: ["flag", "variable", "file", "traceFile"],
  "cache-size": ["1K", "2K", "3K", "cacheBytes"],
  timeout: ["1s", "2s", "3s", "timeoutMs"],
  platform: ["linux/a", "linux/b", "linux/c", "platform"],
  username: ["a", "b", "c", "username"],
  prefetch: ["all", "hints", "none", "prefetch"],
  verbose: [1, "2", 2, "verbose"],
};

test.each(Object.entries(samples))("%s: flag, then variable, then file", (name, [flag, variable, file, key]) => {
  const base = (folder: string, value: unknown): unknown => {
    if (["flag", "variable", "file"].includes(String(value))) return `${folder}/${String(value)}`;
    const words: Readonly<Record<string, number>> = {
      "1K": 1024,
      "2K": 2048,
      "3K": 3072,
      "1s": 1e3,
      "2s": 2e3,
      "3s": 3e3,
    };
    return words[String(value)] ?? (name === "verbose" ? Number(value) : value);
  };
  const environment = { [variableOf(name)]: variable };
  const document = { [keyOf(name)]: file };
  expect(resolve({ [name]: flag }, environment, document)[key]).toBe(base("/work", flag));
  expect(resolve({}, environment, document)[key]).toBe(base("/work", variable));
  expect(resolve({}, {}, document)[key]).toBe(base("/etc/riffle", file));
  expect(resolve({}, {}, { [name]: file })[key]).toBe(base("/etc/riffle", file));
});

test("a variable can switch off what the file switched on, and an empty one says nothing", () => {
  expect(resolve({}, { RIFFLE_JSON: "0" }, { json: true }).json).toBe(false);
  expect(resolve({}, { RIFFLE_JSON: "" }, { json: true }).json).toBe(true);
  expect(resolve({ json: true }, { RIFFLE_JSON: "no" }).json).toBe(true);
});

test("every global flag has a variable and a key", () => {
  expect(SETTINGS.map(({ name }) => variableOf(name))).toContain("RIFFLE_CACHE_DIR");
  expect(SETTINGS.map(({ name }) => variableOf(name))).toContain("RIFFLE_PASSWORD_STDIN");
  expect(keyOf("registry-config")).toBe("registryConfig");
});

const message = (attempt: () => unknown): string => {
  try {
    attempt();
  } catch (error) {
    if (isRiffleError(error) && error.code === "usage") return error.message;
    throw error;
  }
  return "no error";
};

test.each([
  [(): unknown => resolve({}, { RIFFLE_TIMEOUT: "soon" }), "RIFFLE_TIMEOUT"],
  [(): unknown => resolve({}, { RIFFLE_PLAIN_HTTP: "perhaps" }), "RIFFLE_PLAIN_HTTP"],
  [(): unknown => resolve({ "cache-size": "much" }), "--cache-size"],
  [(): unknown => resolve({ platform: "linux" }), "--platform"],
  [(): unknown => resolve({}, { RIFFLE_PREFETCH: "some" }), "RIFFLE_PREFETCH"],
  [(): unknown => resolve({}, {}, { cachedir: "x" }), "cachedir"],
  [(): unknown => resolve({}, {}, { json: "true" }), "json"],
  [(): unknown => resolve({}, {}, { cacheDir: "a", "cache-dir": "b" }), "cacheDir"],
  [(): unknown => resolve({}, {}, []), "/etc/riffle/config.json"],
])("%#: what is off is named", (attempt, name) => expect(message(attempt)).toContain(name));

interface Schema {
  readonly properties: Readonly<Record<string, SchemaValue>>;
  readonly additionalProperties: boolean;
}
interface SchemaValue {
  readonly $ref?: string;
  readonly type?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly anyOf?: readonly SchemaValue[];
}
const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../docs/config.schema.json"), "utf8"),
) as unknown as Schema;

function allows(value: SchemaValue, given: unknown): boolean {
  if (value.$ref !== undefined) return allows(schema.properties[value.$ref.split("/").at(-1) ?? ""] ?? {}, given);
  if (value.anyOf !== undefined) return value.anyOf.some((one) => allows(one, given));
  // Objects are not among what is tried.
  if (value.type === "object") return false;
  if (value.type === "boolean") return typeof given === "boolean";
  if (value.type === "integer")
    return typeof given === "number" && Number.isSafeInteger(given) && given >= (value.minimum ?? -Infinity);
  if (typeof given !== "string" || given.length < (value.minLength ?? 0)) return false;
  return value.pattern === undefined || new RegExp(value.pattern, "u").test(given);
}

test("the published schema knows exactly the keys that are read", () => {
  const known = SETTINGS.flatMap(({ name }) => [name, keyOf(name)]);
  expect(new Set(Object.keys(schema.properties))).toEqual(new Set(["$schema", MIRRORS_KEY, ...known]));
  expect(schema.additionalProperties).toBe(false);
});

test("what the schema allows is read, and what it forbids is refused", () => {
  const value = fc.oneof(
    fc.boolean(),
    fc.integer({ min: -2, max: 5 }),
    fc.double(),
    fc.constant(null),
    fc.constantFrom(
      "",
      "true",
      "x",
      "1G",
      "1.5k",
      "60s",
      "10ms",
      "60",
      "linux/amd64",
      "linux/arm/v7",
      "a/b/c/d",
      "hints",
    ),
  );
  const key = fc.constantFrom(...Object.keys(schema.properties).filter((name) => name !== "$schema"));
  fc.assert(
    fc.property(key, value, (name, given) => {
      const read = message(() => parseFileSettings({ [name]: given }, "/c.json")) === "no error";
      expect([name, given, read]).toEqual([name, given, allows(schema.properties[name] ?? {}, given)]);
    }),
    { numRuns: 500 },
  );
});
