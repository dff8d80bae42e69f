import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";

/** What the page says `Example: ... .` of, and what the tests beside this file are called. */
test("each example of docs/SEMANTICS.md is a test of its name, and each test is an example", () => {
  const page = readFileSync(`${ROOT}docs/SEMANTICS.md`, "utf8");
  const examples = [...page.matchAll(/^ +Example: (.+)\.$/gm)].map((match) => match[1]);
  const tests = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".test.ts") && name !== "examples.test.ts")
    .flatMap((name) => [...readFileSync(join(import.meta.dirname, name), "utf8").matchAll(/\btest\(\s*"([^"]+)"/g)])
    .map((match) => match[1]);
  expect(examples.length).toBeGreaterThan(40);
  expect(new Set(examples).size).toBe(examples.length);
  expect(new Set(tests)).toEqual(new Set(examples));
  expect(tests).toHaveLength(examples.length);
  // every statement has one
  const statements = page.match(/^\* /gm)?.length ?? 0;
  expect(examples.length).toBeGreaterThanOrEqual(statements);
});
