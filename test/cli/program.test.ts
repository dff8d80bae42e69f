import { describe, expect, test } from "vitest";
import { parseArguments, type Choice } from "../../src/cli/program.ts";

const COMMANDS = ["mount", "unmount", "umount", "status", "run", "ls", "cat", "cp", "pull", "inspect", "doctor"]
  .concat(["cache", "login", "logout", "table", "raster", "array"])
  .map((name) => [name])
  .concat([
    ["cache", "status"],
    ["cache", "clear"],
  ]);

/** `kind code: text`, whatever the outcome. */
function outcome(words: readonly string[]): string {
  const parsed = parseArguments(words, "1.2.3");
  if (parsed.kind === "failure") return `${parsed.error.code} ${parsed.context}: ${parsed.error.message}`;
  return parsed.kind === "text" ? `text: ${parsed.text}` : `choice: ${parsed.choice.context}`;
}

function choice(words: readonly string[]): Choice {
  const parsed = parseArguments(words, "1.2.3");
  if (parsed.kind !== "choice") throw new Error(`no command was chosen: ${outcome(words)}`);
  return parsed.choice;
}

test.each(COMMANDS.map((words) => [words.join(" "), words] as const))("%s --help has examples", (_, words) => {
  const text = outcome([...words, "--help"]);
  expect(text).toMatch(/^text: Usage: riffle /);
  expect(text).toMatch(/Examples:\n {2}riffle /);
  expect(text).toContain("--timeout <duration>");
  expect(text).not.toContain("--index");
});

describe("usage", () => {
  test.each([
    [["frobnicate"], "usage usage: unknown command 'frobnicate'"],
    [["cache", "frob"], "usage cache: unknown command 'frob'"],
    [["ls", "--frob", "x"], "usage ls: unknown option '--frob'"],
    [["ls", "--lazy", "x"], "usage ls: unknown option '--lazy'"],
    [["cat", "oci:x"], "usage cat: missing required argument 'path'"],
    [["ls", "a", "b", "c"], "usage ls: too many arguments for 'ls'. Expected 2 arguments but got 3"],
    [["mount", "--backend", "nfs", "a", "b"], "usage mount: option '--backend <name>' argument 'nfs' is invalid"],
    [["ls", "--timeout"], "usage ls: option '--timeout <duration>' argument missing"],
    [["run", "oci:x", "ls", "-l"], "usage run: unknown option '-l'"],
  ])("%j", (words, message) => expect(outcome(words)).toContain(message));
});

describe("not yet", () => {
  const later = ["index", "bench", "verify", "policy", "serve"];
  const commands = [...later, "push", "completion"].map((name) => [name, "REF", "--any", "x"]);
  const flags = [
    ["--index", "any"],
    ["--index-key", "f"],
  ].map((words) => ["mount", "oci:x", "dir", ...words]);
  const groups = [["index", "build", "REF"]];
  test.each([...commands, ...flags, ...groups].map((words) => [words.join(" "), words] as const))("%s", (_, words) => {
    expect(outcome(words)).toMatch(/^not-yet .*not yet/);
  });
});

describe("words", () => {
  const settings = (words: readonly string[]): unknown => Object.fromEntries(choice(words).settings);

  test("global flags stand before and after the command, and up to --", () => {
    expect(settings(["--json", "ls", "oci:x", "--cache-dir", "d", "-q"])).toEqual({
      json: true,
      "cache-dir": "d",
      quiet: true,
    });
    expect(settings(["cache", "--json", "status", "--no-cache"])).toEqual({ json: true, "no-cache": true });
    expect(settings(["run", "oci:x", "--", "ls", "--json", "-q"])).toEqual({});
    expect(settings(["ls", "oci:x"])).toEqual({});
  });

  test("the later of two wins, and -v counts wherever it stands", () => {
    expect(settings(["--timeout", "1s", "ls", "oci:x", "--timeout", "2s"])).toEqual({ timeout: "2s" });
    expect(settings(["-v", "ls", "-v", "oci:x", "-q"])).toEqual({ verbose: 2, quiet: true });
    expect(settings(["ls", "-vv", "oci:x"])).toEqual({ verbose: 2 });
  });

  test("what follows -- belongs to the command", () => {
    expect(choice(["run", "oci:x", "--", "sh", "-c", "x -- y", "--", "--help"]).args).toEqual([
      "oci:x",
      "sh",
      "-c",
      "x -- y",
      "--",
      "--help",
    ]);
    expect(choice(["ls", "--", "-x"]).args).toEqual(["-x"]);
  });

  test("values may look like flags, short flags may stand together", () => {
    const { flags } = choice(["cat", "oci:x", "f", "--range", "-8"]);
    expect(flags.text("range")).toBe("-8");
    const list = choice(["ls", "-lR", "oci:x", "--include", "a", "--include", "-b"]).flags;
    expect([list.on("long"), list.on("recursive"), list.list("include"), list.list("exclude")]).toEqual([
      true,
      true,
      ["a", "-b"],
      [],
    ]);
  });

  test("an alias is the command", () => expect(choice(["umount", "d"]).context).toBe("unmount"));

  test("--version is bare", () => expect(outcome(["--version"])).toBe("text: 1.2.3\n"));
});
