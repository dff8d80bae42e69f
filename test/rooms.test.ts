import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";

/** DESIGN section 3, top to bottom: a room imports only rooms above it. */
const ROOMS = "errors bytes oci cache formats fetch trust registry layers artifact mount serve cli".split(" ");
const source = join(import.meta.dirname, "../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const roomOf = (file: string): string => file.split("/")[0]?.replace(/\.ts$/, "") ?? "";

test("every file lies in a room that the design names", () => {
  expect(files.length).toBeGreaterThan(10);
  expect([...new Set(files.map(roomOf))].filter((room) => room !== "index" && !ROOMS.includes(room))).toEqual([]);
});

test.each(files)("%s imports only rooms above its own", (file) => {
  const rank = file === "index.ts" ? ROOMS.length : ROOMS.indexOf(roomOf(file));
  const text = readFileSync(join(source, file), "utf8");
  const imports = [...text.matchAll(/(?:from|import\(|import)\s*"(\.[^"]+)"/g)].map((match) => match[1] ?? "");
  const wrong = imports.filter((specifier) => {
    const target = roomOf(relative(source, join(source, file, "..", specifier)));
    return target !== roomOf(file) && ROOMS.indexOf(target) >= rank;
  });
  expect(wrong).toEqual([]);
});
