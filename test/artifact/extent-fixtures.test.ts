import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ExtentTables, unitFormat } from "../../src/artifact/extent-tables.ts";
import { memorySource } from "../../src/bytes/source.ts";
import { FIXTURES } from "../support/fixtures.ts";

const MAX_BYTES = 16 * 1024 * 1024;
const folder = FIXTURES;
const title = "every public file of a known format has sound units or none, whatever is wrong with it";

test.skipIf(folder === undefined)(folder === undefined ? `${title}: skipped, no fixtures` : title, async () => {
  if (folder === undefined) return;
  const tables = new ExtentTables({ log: () => undefined });
  const signal = new AbortController().signal;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => ({ name, path: join(folder, name), format: unitFormat({ name }) }))
    .filter(({ path, format }) => format !== undefined && statSync(path).isFile() && statSync(path).size < MAX_BYTES);
  const unsound: string[] = [];
  let known = 0;
  for (const { name, path, format } of files) {
    if (format === undefined) continue;
    const bytes = readFileSync(path);
    const table = await tables.of(memorySource(name, bytes), { format, signal });
    if (table === undefined) continue;
    known += 1;
    let end = 0;
    for (let row = 0; row < table.count; row++) {
      if ((table.starts[row] ?? -1) < end) unsound.push(name);
      end = table.ends[row] ?? Number.POSITIVE_INFINITY;
      if (end > bytes.length) unsound.push(name);
    }
  }
  expect(unsound).toEqual([]);
  expect(files.length).toBeGreaterThan(100);
  expect(known).toBeGreaterThan(files.length / 2);
});
