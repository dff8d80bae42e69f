import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHome, MAIN, riffle, type Home } from "../support/cli.ts";

let home: Home;
beforeAll(() => void (home = createHome()));
afterAll(() => home.remove());

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

describe("failures", () => {
  test.each([
    ["an unknown flag", ["ls", "--frob", "x"], 2, /unknown option '--frob'/],
    ["a bad duration", ["ls", "oci:x", "--timeout", "soon"], 2, /--timeout: not a duration/],
    ["a user name alone", ["ls", "--username", "me", "oci:x"], 2, /--password-stdin/],
    ["a password alone", ["ls", "--password-stdin", "oci:x"], 2, /--username/],
    ["a reference that is none", ["ls", "a b"], 2, /not a reference/],
    ["a layout that is not there", ["ls", "oci:/nonexistent"], 3, /\/nonexistent/],
    ["a later stage", ["index", "build", "oci:x"], 2, /not yet/],
    ["nothing mounted there", ["unmount", "/nonexistent"], 3, /nonexistent/],
    ["nobody to ask", ["login", "localhost:1"], 2, /terminal/],
    ["a host that is none", ["login", "a/b"], 2, /not a host/],
    ["a registry that is not there", ["ls", "127.0.0.1:1/a/b:c"], 7, /127\.0\.0\.1:1/],
  ] as const)("%s: one line and its code", async (_, words, expected, what) => {
    const { code, stdout, stderr } = await riffle([...words, "--json"], { home });
    expect(code).toBe(expected);
    expect(stderr).toMatch(/^riffle: [^:]+: .+ \(.+\)\n$/);
    expect(stderr).toMatch(what);
    const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
    expect(Object.keys(error)).toEqual(["code", "message", "hint", "facts"]);
    expect(error["message"]).toMatch(what);
  });

  test("without --json stdout stays empty", async () => {
    expect(await riffle(["ls", "oci:/nonexistent"], { home })).toMatchObject({ code: 3, stdout: "" });
  });
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
