import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolders } from "../../src/cache/make-folders.ts";

test("makes what is missing, with the mode, and nothing twice", () => {
  const folder = mkdtempSync(join(tmpdir(), "riffle-folders-"));
  const deep = join(folder, "a/b/c");
  makeFolders(deep, { mode: 0o700 });
  makeFolders(deep);
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
  rmSync(folder, { recursive: true });
});

test.skipIf(!existsSync("/proc/self"))("a place where nothing can be made is an error, and no endless loop", () => {
  expect(() => makeFolders("/proc/nope/x")).toThrow("ENOENT");
});
