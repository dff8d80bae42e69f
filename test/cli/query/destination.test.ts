import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkStdout, chooseFormat, openDestination, type Destination } from "../../../src/cli/query/destination.ts";
import { temporaryFolder, type Folder } from "../../support/processes.ts";

let folder: Folder;
beforeEach(() => void (folder = temporaryFolder("destination")));
afterEach(() => folder.remove());

const out = {
  isTerminal: false,
  line: () => Promise.resolve(),
  bytes: () => Promise.resolve(),
  flush: () => Promise.resolve(),
};

function open(output: string | undefined, force = false): Destination {
  return openDestination({ cwd: folder.path, out }, { output, force });
}

describe("a file", () => {
  test("has its name when it is whole, and not before", async () => {
    using destination = open("a.csv");
    await destination.bytes(Buffer.from("one\n"));
    expect(existsSync(join(folder.path, "a.csv"))).toBe(false);
    await destination.bytes(Buffer.from("two\n"));
    await destination.finish();
    expect(readFileSync(join(folder.path, "a.csv"), "utf8")).toBe("one\ntwo\n");
    expect([readdirSync(folder.path), destination.written]).toEqual([["a.csv"], 8]);
  });

  test("that is not finished leaves nothing, and what was there stays", async () => {
    writeFileSync(join(folder.path, "a.csv"), "old");
    {
      using destination = open("a.csv", true);
      await destination.bytes(Buffer.from("new"));
    }
    expect(readdirSync(folder.path)).toEqual(["a.csv"]);
    expect(readFileSync(join(folder.path, "a.csv"), "utf8")).toBe("old");
  });

  test("that is there is in the way, unless it may be replaced", async () => {
    writeFileSync(join(folder.path, "a.csv"), "old");
    expect(() => open("a.csv")).toThrow(/a\.csv is there already$/);
    using destination = open("a.csv", true);
    await destination.bytes(Buffer.from("new"));
    await destination.finish();
    expect(readFileSync(join(folder.path, "a.csv"), "utf8")).toBe("new");
    expect(readdirSync(folder.path)).toEqual(["a.csv"]);
  });

  test("that came to be in the meantime is not replaced either", async () => {
    using destination = open("a.csv");
    writeFileSync(join(folder.path, "a.csv"), "theirs");
    await expect(destination.finish()).rejects.toMatchObject({ code: "exists" });
    expect(readFileSync(join(folder.path, "a.csv"), "utf8")).toBe("theirs");
    destination[Symbol.dispose]();
    expect(readdirSync(folder.path)).toEqual(["a.csv"]);
  });

  test("behind a symbolic link is replaced where it lies", async () => {
    mkdirSync(join(folder.path, "real"));
    writeFileSync(join(folder.path, "real/a.csv"), "old");
    symlinkSync("real/a.csv", join(folder.path, "link.csv"));
    using destination = open("link.csv", true);
    await destination.bytes(Buffer.from("new"));
    await destination.finish();
    expect(lstatSync(join(folder.path, "link.csv")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder.path, "real/a.csv"), "utf8")).toBe("new");
  });

  test("needs a directory to lie in, and is none itself", () => {
    expect(() => open("none/a.csv")).toThrow(/there is no directory/);
    expect(() => open(".", true)).toThrow(/is a directory/);
  });

  test("that is a device is written to as it is", async () => {
    using destination = open("/dev/null");
    await destination.bytes(Buffer.from("x"));
    await destination.finish();
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });
});

test("the format: by flag, by ending, or the usual one", () => {
  const names = ["csv", "json"] as const;
  const choose = (flag: string | undefined, output: string | undefined): string =>
    chooseFormat({ flag, output, names, endings: { ".csv": "csv", ".json": "json" }, fallback: "csv" });
  expect(choose("json", "a.csv")).toBe("json");
  expect(choose(undefined, "dir.json/A.JSON")).toBe("json");
  for (const plain of [undefined, "-", "out", ".csv", "/dev/stdout"]) expect(choose(undefined, plain)).toBe("csv");
  expect(() => choose(undefined, "a.xlsx")).toThrow('".xlsx" does not tell which format is wanted');
});

test("nothing binary to a terminal, nothing but JSON where JSON is promised", () => {
  const at = (isTerminal: boolean, json: boolean): Parameters<typeof checkStdout>[0] => ({
    out: { ...out, isTerminal },
    // The rest is not looked at.
    settings: { json } as Parameters<typeof checkStdout>[0]["settings"],
  });
  const check = (context: ReturnType<typeof at>, kind: "binary" | "json" | "text", output?: string): void =>
    checkStdout(context, { kind, output, format: "x" });
  expect(() => check(at(true, false), "binary")).toThrow("x is binary, and stdout is a terminal");
  expect(() => check(at(true, false), "binary", "-")).toThrow("x is binary");
  expect(() => check(at(false, true), "text")).toThrow("with --json stdout is JSON alone");
  check(at(true, true), "binary", "file");
  check(at(false, false), "binary");
  check(at(true, true), "json");
});
