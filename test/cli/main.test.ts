import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHome, MAIN, riffle, type Home } from "../support/cli.ts";

let home: Home;
beforeAll(() => void (home = createHome()));
afterAll(() => home.remove());

const COMMANDS = ["mount", "unmount", "umount", "status", "run", "ls", "cat", "cp", "pull", "inspect", "doctor"]
  .concat(["cache", "login", "logout"])
  .map((name) => [name])
  .concat([
    ["cache", "status"],
    ["cache", "clear"],
  ]);

describe("help and version", () => {
  test("riffle alone prints help and exits 2", async () => {
    const { code, stdout, stderr } = await riffle([], { home });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: riffle");
  });

  test("--version is bare", async () => {
    const document = JSON.parse(readFileSync(join(MAIN, "../../../package.json"), "utf8")) as { version: string };
    const { code, stdout, stderr } = await riffle(["--version"], { home });
    expect([code, stdout, stderr]).toEqual([0, `${document.version}\n`, ""]);
  });

  test.each(COMMANDS.map((words) => [words.join(" "), words] as const))("%s --help has examples", async (_, words) => {
    const { code, stdout, stderr } = await riffle([...words, "--help"], { home });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/Examples:\n {2}riffle /);
    expect(stdout).toContain("--timeout <duration>");
    expect(stdout).not.toContain("--unpack");
  });

  test.each([["--help"], ["--version"], ["mount", "--help"]])("riffle %s %s loads nothing heavy", async (...words) => {
    const loader = join(home.path, "trace.mjs");
    writeFileSync(
      loader,
      `import { registerHooks, register } from "node:module";
import { writeSync } from "node:fs";
register("data:text/javascript," + encodeURIComponent(
  'import { writeSync } from "node:fs"; export async function load(url, context, next) { writeSync(2, "LOAD " + url + "\\\\n"); return next(url, context); }'));
`.replace("registerHooks, ", ""),
    );
    const { code, stderr } = await riffle(words.filter(Boolean), {
      home,
      environment: { NODE_OPTIONS: `--import=${loader}` },
    });
    expect(code).toBe(0);
    expect(stderr).toContain("/cli/program.js");
    expect(stderr).not.toMatch(/undici|koffi|fuse-native|lru-cache|\/commands\/|\/mount\/|\/registry\//);
  });
});

describe("usage", () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["unknown command", ["frobnicate"], /unknown command 'frobnicate'/],
    ["unknown flag", ["ls", "--frob", "x"], /unknown option '--frob'/],
    ["a flag of another command", ["ls", "--lazy", "x"], /unknown option/],
    ["missing argument", ["cat", "oci:x"], /missing required argument 'path'/],
    ["too many arguments", ["ls", "a", "b", "c"], /too many arguments/],
    ["a bad choice", ["mount", "--backend", "nfs", "a", "b"], /kernel, libfuse/],
    ["a bad duration", ["ls", "oci:x", "--timeout", "soon"], /--timeout: not a duration/],
    ["a bad size", ["--cache-size", "big", "ls", "oci:x"], /--cache-size: not a size/],
    ["a user name alone", ["ls", "--username", "me", "oci:x"], /--password-stdin/],
    ["a password alone", ["ls", "--password-stdin", "oci:x"], /--username/],
    ["a command's flag without --", ["run", "oci:x", "ls", "-l"], /unknown option '-l'/],
  ];
  test.each(cases)("%s: 2, one line", async (_, words, what) => {
    const { code, stdout, stderr } = await riffle(words, { home });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^riffle: [^:]+: .+ \(.+\)\n$/);
    expect(stderr).toMatch(what);
  });

  test("--json tells it on stdout too", async () => {
    const { code, stdout, stderr } = await riffle(["ls", "--json", "--frob"], { home });
    expect(code).toBe(2);
    const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
    expect(Object.keys(error)).toEqual(["code", "message", "hint", "facts"]);
    expect(error["code"]).toBe("usage");
    expect(stderr).toMatch(/^riffle: ls: unknown option '--frob' \(.+\)\n$/);
  });
});

describe("not yet", () => {
  const later = ["info", "table", "raster", "array", "prefetch", "index", "bench", "verify", "policy", "serve"];
  const commands = [...later, "push", "completion"].map((name) => [name, "REF", "--any", "x"]);
  const flags = [["--no-extents"], ["--prefetch", "all"], ["--offline"], ["--trace", "f"], ["--unpack", "none"]]
    .concat([
      ["--index", "any"],
      ["--index-key", "f"],
    ])
    .map((words) => ["mount", "oci:x", "dir", ...words]);
  const groups = [
    ["cache", "ls"],
    ["cache", "verify"],
    ["cache", "prune", "--max-size", "1G"],
    ["index", "build", "REF"],
  ];
  test.each([...commands, ...flags, ...groups].map((words) => [words.join(" "), words] as const))(
    "riffle %s",
    async (_, words) => {
      const { code, stdout, stderr } = await riffle(words, { home });
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(/^riffle: [^:]+: .*not yet.* \(.+\)\n$/);
    },
  );
});

describe("settings", () => {
  const withConfig = (document: unknown): Readonly<Record<string, string>> => {
    const folder = join(home.path, `config-${String(Math.abs(JSON.stringify(document).length))}`);
    mkdirSync(join(folder, "riffle"), { recursive: true });
    writeFileSync(join(folder, "riffle/config.json"), JSON.stringify(document));
    return { XDG_CONFIG_HOME: folder };
  };
  const cacheOf = async (words: readonly string[], environment: Readonly<Record<string, string>>): Promise<unknown> => {
    const { stdout } = await riffle(words, { home, environment });
    return (JSON.parse(stdout) as { limit: number }).limit;
  };

  test.each([
    [["--json", "--cache-size", "1M", "cache", "status"]],
    [["cache", "--json", "status", "--cache-size", "1M"]],
    [["cache", "status", "--cache-size=1M", "--json"]],
    [["--cache-size", "5M", "cache", "--cache-size", "3M", "status", "--json", "--cache-size", "1M"]],
  ])("global flags stand anywhere: %j", async (words) => expect(await cacheOf(words, {})).toBe(1024 ** 2));

  test("flag, variable, file, default", async () => {
    const file = withConfig({ cacheSize: "3M", json: true });
    const variable = { RIFFLE_CACHE_SIZE: "2M" };
    const words = ["cache", "status"];
    expect(await cacheOf([...words, "--cache-size", "1M"], { ...file, ...variable })).toBe(1024 ** 2);
    expect(await cacheOf(words, { ...file, ...variable })).toBe(2 * 1024 ** 2);
    expect(await cacheOf(words, file)).toBe(3 * 1024 ** 2);
    expect(await cacheOf([...words, "--json"], {})).toBe(20 * 1024 ** 3);
  });

  test("an unknown key is named", async () => {
    const { code, stderr } = await riffle(["cache", "status"], { home, environment: withConfig({ cashDir: "x" }) });
    expect(code).toBe(2);
    expect(stderr).toMatch(/config\.json: unknown key "cashDir" \(known keys: .*cacheDir/);
  });
});

test("a reader that leaves is no error", async () => {
  const child = spawn(
    "sh",
    ["-c", `"$0" "$1" ls --help | head -n 1; "$0" "$1" ls --help | true`, process.execPath, MAIN],
    {
      env: home.environment,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => void (stderr += bytes.toString()));
  const code = await new Promise((resolve) => void child.on("close", resolve));
  expect([code, stderr]).toEqual([0, ""]);
});
