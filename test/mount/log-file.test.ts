import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLogFile, pruneLogs } from "../../src/mount/log-file.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "riffle-log-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const now = (): Date => new Date("2026-01-01T00:00:00Z");

test("lines carry time and level, and nothing in them makes two of one", () => {
  const path = join(directory, "logs", "mount.log");
  const file = openLogFile(path, { now });
  file.log("warn", "a name\nwith \u001b[2J marks");
  file.log("error", "second");
  file.close();
  file.log("info", "after the end");
  expect(readFileSync(path, "utf8")).toBe(
    "2026-01-01T00:00:00.000Z warn a name with  [2J marks\n2026-01-01T00:00:00.000Z error second\n",
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a full file is put aside, and no more than the given number are kept", () => {
  const path = join(directory, "mount.log");
  const file = openLogFile(path, { now, maxBytes: 100, keep: 3 });
  for (let line = 0; line < 10; line += 1) file.log("info", `line ${line} ${"x".repeat(30)}`);
  file.close();
  expect(readdirSync(directory).toSorted()).toEqual(["mount.log", "mount.log.1", "mount.log.2"]);
  expect(readFileSync(path, "utf8")).toContain("line 9");
  expect(readFileSync(`${path}.1`, "utf8")).toContain("line 8");
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(100);
});

test("what is there is appended to and counts", () => {
  const path = join(directory, "mount.log");
  writeFileSync(path, "y".repeat(90), { mode: 0o600 });
  const file = openLogFile(path, { now, maxBytes: 100 });
  file.log("info", "new");
  file.close();
  expect(readFileSync(`${path}.1`, "utf8")).toBe("y".repeat(90));
});

test("a symbolic link is not written through", () => {
  symlinkSync(join(directory, "elsewhere"), join(directory, "mount.log"));
  expect(() => openLogFile(join(directory, "mount.log"))).toThrow(/cannot open log file/);
  expect(existsSync(join(directory, "elsewhere"))).toBe(false);
});

test("old logs are pruned, young ones and other files stay", () => {
  for (const name of ["a.log", "a.log.1", "b.log", "notes"]) writeFileSync(join(directory, name), "");
  const old = new Date("2025-01-01T00:00:00Z");
  for (const name of ["a.log", "a.log.1", "notes"]) utimesSync(join(directory, name), old, old);
  utimesSync(join(directory, "b.log"), now(), now());
  pruneLogs(directory, { maxAgeMs: 30 * 86_400_000, now: now() });
  expect(readdirSync(directory).toSorted()).toEqual(["b.log", "notes"]);
  pruneLogs(join(directory, "none"), { maxAgeMs: 1 });
});
