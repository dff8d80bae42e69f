import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact, type BuiltArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

/** What the outside promises about words: flags, shapes of JSON, exit codes, and who may speak where. */
let registry: RegistryHandle;
let home: Home;
let artifact: BuiltArtifact & { readonly reference: string };

beforeAll(async () => {
  registry = await spawnRegistry();
  artifact = await putArtifact(
    registry,
    { repository: "e2e/words", tag: "v1" },
    {
      files: [
        { title: "data/trips.parquet", content: { kind: "bytes", bytes: Buffer.from("PAR1....PAR1") } },
        { title: "hello.txt", content: { kind: "bytes", bytes: Buffer.from("hello\n") } },
      ],
    },
  );
});
afterAll(() => registry.close());
beforeEach(() => void (home = createHome()));
afterEach(() => home.remove());

const run = (words: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Outcome> =>
  riffle(words, { home, environment });

const COMMANDS = [
  ["mount"],
  ["unmount"],
  ["umount"],
  ["status"],
  ["run"],
  ["ls"],
  ["cat"],
  ["cp"],
  ["pull"],
  ["inspect"],
  ["info"],
  ["doctor"],
  ["table"],
  ["raster"],
  ["array"],
  ["cache"],
  ["cache", "status"],
  ["cache", "clear"],
  ["login"],
  ["logout"],
] as const;

describe("help", () => {
  test.each(COMMANDS.map((words) => [words.join(" "), words] as const))(
    "riffle %s --help has examples",
    async (_, words) => {
      const { code, stdout, stderr } = await run([...words, "--help"]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/^Usage: riffle /);
      expect(stdout).toMatch(/\nExamples:\n {2}(?:echo .*)?riffle /);
      for (const flag of ["--plain-http", "--cache-dir", "--timeout", "--json", "-q, --quiet"])
        expect(stdout).toContain(flag);
    },
  );
});

const LATER: readonly (readonly string[])[] = [
  ["index", "build", "x"],
  ["bench"],
  ["verify", "x"],
  ["policy"],
  ["serve", "x"],
  ["push", "x"],
  ["completion", "bash"],
  ["run", "oci:x", "--index", "none", "--", "true"],
  ["ls", "oci:x", "--index", "none"],
];

test("what a later stage brings is not yet there, and exits 2", async () => {
  for (const words of LATER) {
    const { code, stdout, stderr } = await run(words);
    expect([words, code, stdout]).toEqual([words, 2, ""]);
    expect(stderr).toMatch(/^riffle: [a-z ]+: .* is not yet available \(.+\)\n$/);
  }
});

describe("global flags", () => {
  test("stand before the command and after it, up to --", async () => {
    const { reference } = artifact;
    for (const words of [
      ["--json", "ls", reference],
      ["ls", "--json", reference],
      ["ls", reference, "--json"],
      ["--plain-http", "ls", reference, "--timeout", "20s", "--json"],
    ])
      expect([words, (await run(words)).stdout.split("\n")[1]]).toEqual([
        words,
        expect.stringContaining('"path":"hello.txt"'),
      ]);
    expect(await run(["cat", reference, "--", "--json"])).toMatchObject({ code: 3, stdout: "" });
  });

  test("are variables and keys of the configuration file too: flag, variable, file, default", async () => {
    mkdirSync(join(home.path, "config/riffle"), { recursive: true });
    writeFileSync(
      join(home.path, "config/riffle/config.json"),
      JSON.stringify({ cacheDir: "/tmp/of-file", json: true }),
    );
    const place = async (words: readonly string[], environment: Readonly<Record<string, string>>): Promise<unknown> =>
      (JSON.parse((await run(["cache", "status", ...words], environment)).stdout) as { directory: string }).directory;
    expect(await place([], {})).toBe("/tmp/of-file");
    expect(await place([], { RIFFLE_CACHE_DIR: "/tmp/of-variable" })).toBe("/tmp/of-variable");
    expect(await place(["--cache-dir", "/tmp/of-flag"], { RIFFLE_CACHE_DIR: "/tmp/of-variable" })).toBe("/tmp/of-flag");
    const bad = await run(["ls", artifact.reference], { RIFFLE_TIMEOUT: "soon" });
    expect(bad).toMatchObject({ code: 2 });
    expect(bad.stderr).toMatch(/RIFFLE_TIMEOUT: not a duration/);
  });
});

describe("JSON", () => {
  const keys = (text: string): readonly string[] => Object.keys(JSON.parse(text) as object);

  test.each([
    ["ls", ["-R"], ["path", "type", "size", "mode", "mtime", "digest"]],
    [
      "inspect",
      [],
      [
        "reference",
        "digest",
        "mediaType",
        "artifactType",
        "annotations",
        "config",
        "layers",
        "tree",
        "formats",
        "referrers",
        "registry",
        "mirrors",
        "warnings",
        "manifest",
      ],
    ],
    ["pull", ["-o", "out"], ["reference", "directory", "layers", "present", "bytes", "resumedBytes"]],
    ["cp", [".", "out"], ["reference", "files", "present", "bytes", "resumedBytes", "verified"]],
    ["doctor", [], ["checks"]],
  ])("riffle %s REF --json", async (command, more, expected) => {
    const { code, stdout, stderr } = await run([command, artifact.reference, ...more, "--json"]);
    const cannotMount = command === "doctor" && mountObstacle() !== undefined;
    expect([code, stderr]).toEqual([cannotMount ? 8 : 0, ""]);
    for (const line of stdout.trimEnd().split("\n")) expect(keys(line)).toEqual(expected);
  });

  test("cache status and clear", async () => {
    expect(await run(["cat", "-q", artifact.reference, "hello.txt"])).toMatchObject({ stdout: "hello\n" });
    expect(keys((await run(["cache", "status", "--json"])).stdout)).toEqual(["directory", "bytes", "limit", "entries"]);
    expect(keys((await run(["cache", "clear", "--json"])).stdout)).toEqual(["directory", "freedBytes"]);
    expect((await run(["cache", "status"])).stdout).toMatch(/: 0 B of 20\.0 GiB, 0 blobs\n$/);
  });

  test("an error is its code, message, hint and facts, and one line", async () => {
    const { stdout, stderr } = await run(["ls", artifact.reference, "none", "--json"]);
    expect(keys(stdout)).toEqual(["error"]);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: "not-found", message: expect.any(String), hint: expect.any(String), facts: { path: "none" } },
    });
    expect(stderr).toMatch(/^riffle: ls: [^\n]+ \([^\n]+\)\n$/);
  });
});

describe("who speaks where", () => {
  test("no colour and no progress in a pipe; --quiet is silent", async () => {
    for (const words of [
      ["pull", artifact.reference, "-o", "out"],
      ["inspect", artifact.reference],
      ["doctor", artifact.reference],
      ["ls", "-lR", artifact.reference],
    ]) {
      const { stdout, stderr } = await run(words);
      for (const sign of ["\u001b", "\r"]) expect(stdout + stderr).not.toContain(sign);
      expect(stderr).toBe("");
    }
  });

  test.skipIf(spawnSync("script", ["--version"]).status !== 0)(
    "NO_COLOR holds on a terminal (skipped without script)",
    () => {
      const main = join(import.meta.dirname, "../../dist/cli/main.js");
      const onTerminal = (extra: Readonly<Record<string, string>>): string =>
        spawnSync("script", ["-qec", `${process.execPath} ${main} doctor`, "/dev/null"], {
          encoding: "utf8",
          env: { ...home.environment, TERM: "xterm", ...extra },
        }).stdout;
      expect(onTerminal({})).toContain("\u001b[");
      expect(onTerminal({ NO_COLOR: "1" })).not.toContain("\u001b[");
    },
  );

  test("nothing in any word names a module or a file of riffle's own", async () => {
    const words = [["--help"], ...COMMANDS.map((command) => [...command, "--help"])];
    for (const line of words)
      expect((await run(line)).stdout).not.toMatch(/\.ts\b|\.js\b|dist\/|node_modules|undici|commander/);
  });
});

const obstacle = mountObstacle();
const ACCOUNTING = [
  "reference",
  "digest",
  "mountpoint",
  "pid",
  "backend",
  "state",
  "since",
  "files",
  "size",
  "reads",
  "bytesRead",
  "bytesFromCache",
  "requests",
  "requestsByKind",
  "bytesFetched",
  "bytesFetchedByKind",
  "bytesVerified",
  "retries",
  "hedged",
  "errors",
  "passthrough",
  "amplification",
  "cache",
  "prefetch",
];

describe.skipIf(obstacle !== undefined)(`accounting${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  test("one shape in mount, status, run and .oci/stats.json, and figures that add up", async () => {
    const dir = join(home.path, "mnt");
    mkdirSync(dir);
    const { reference } = artifact;
    const mounted = JSON.parse((await run(["mount", reference, dir, "--json"])).stdout) as object;
    spawnSync("cat", [join(dir, "hello.txt")]);
    const live = JSON.parse(spawnSync("cat", [join(dir, ".oci/stats.json")], { encoding: "utf8" }).stdout) as object;
    const { mounts } = JSON.parse((await run(["status", dir, "--json"])).stdout) as { mounts: object[] };
    const ran = JSON.parse((await run(["run", reference, "-q", "--json", "--", "cat", "hello.txt"])).stderr) as object;
    expect(await run(["unmount", dir])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    for (const shape of [mounted, live, mounts[0], ran]) expect(Object.keys(shape ?? {})).toEqual(ACCOUNTING);
    for (const figures of [live, mounts[0]])
      expect(figures).toMatchObject({
        mountpoint: dir,
        state: "ready",
        files: 2,
        size: 18,
        reads: 1,
        bytesRead: 6,
        requests: 2,
        requestsByKind: { token: 0, manifest: 1, blob: 1, other: 0 },
        bytesFetchedByKind: { token: 0, manifest: artifact.manifest.length, blob: 6, other: 0 },
        bytesFetched: artifact.manifest.length + 6,
        amplification: 1,
        errors: 0,
        cache: { bytes: expect.any(Number), limit: 20 * 1024 ** 3 },
      });
    expect(ran).toMatchObject({ requestsByKind: { blob: 0 } });
  });

  test("run: its codes, its words, and nobody else's on stdout", async () => {
    const ran = (...command: readonly string[]): Promise<Outcome> => run(["run", artifact.reference, "--", ...command]);
    const talk = await ran("sh", "-c", 'printf %s "$RIFFLE_MOUNT|$0|$PWD"; exit 7', "a{}b");
    const [variable = "", zero, pwd] = talk.stdout.split("|");
    expect([talk.code, zero, pwd]).toEqual([7, `a${variable}b`, variable]);
    expect(talk.stderr).toMatch(/^riffle: 0 reads of 0 B; 1 request for \d+ B; 0 errors\n$/);
    expect(await ran("sh", "-c", "kill -9 $$")).toMatchObject({ code: 137 });
    expect(await ran("./hello.txt")).toMatchObject({ code: 126, stdout: "" });
    expect((await ran("./none")).stderr).toMatch(/^riffle: run: there is no command "\.\/none" \(check the path\)\n/);
    expect(await ran("no-such-program")).toMatchObject({ code: 127, stdout: "" });
    expect(await run(["run", "localhost:1/a:b", "--", "true"])).toMatchObject({ code: 125, stdout: "" });
    expect(await run(["run", artifact.reference])).toMatchObject({ code: 2 });
    expect((await ran("printf", "%s", "--json", "-q")).stdout).toBe("--json-q");
  });
});
