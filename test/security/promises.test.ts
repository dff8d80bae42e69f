import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const page = readFileSync(join(import.meta.dirname, "../../docs/SECURITY.md"), "utf8");
/** Bold beginnings of list items; a test's name has no full stop, and begins as a sentence in a list of tests does. */
const promises = [...page.matchAll(/^\* \*\*([^*]+)\.\*\*/gm)].map(([, text = ""]) => text);
const folders = [import.meta.dirname, ...["../e2e", "../fault"].map((name) => join(import.meta.dirname, name))];
const sources = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(folder, name), "utf8")),
);
/** Names as they stand in the sources, up to what a skipped test adds to its own. */
const names = sources.flatMap((text) =>
  [...text.matchAll(/\btest(?:\.skipIf\([^\n]*?\))?\(\s*(["`])((?:(?!\1|\$\{).)+)/g)].map(([, , name = ""]) => name),
);
const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

test("the page makes promises", () => {
  expect(promises.length).toBeGreaterThan(25);
  expect(new Set(promises).size).toBe(promises.length);
});

test.each(promises)("there is a test of the name: %s", (promise) => {
  expect(names.map(lowered)).toContain(lowered(promise));
});
