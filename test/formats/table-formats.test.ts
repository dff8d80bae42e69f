import { tableFromArrays, tableToIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { detectFormat } from "../../src/formats/detect.ts";
import { loggedSource } from "../support/logged-source.ts";
import { indexedFile } from "./flatgeobuf/indexed-file.ts";
import { readCsv } from "./read-table.ts";

test.each([
  ["x.csv", Buffer.from("row,b\n0,x\n1,y\n")],
  ["x.ndjson", Buffer.from('{"row":0,"b":"x"}\n{"row":1,"b":"y"}\n')],
  ["x.feather", tableToIPC(tableFromArrays({ row: Int32Array.of(0, 1), b: ["x", "y"] }), "file")],
  ["x.fgb", indexedFile(8).bytes],
] as const)("%s is told, opened and read by the table of formats", async (name, bytes) => {
  const source = loggedSource(bytes, name);
  const format = await detectFormat(source, { name });
  const module = await format?.load?.();
  await using reader = await module?.table?.(source);
  if (reader === undefined) throw new Error(`${name} has no reader of tables`);
  expect(reader.metadata.format).toBe(format?.name);
  expect(await readCsv(reader, { columns: ["row"], limit: 2 })).toBe("row\n0\n1\n");
  expect((await reader.plan({ columns: ["row"], limit: 2 })).ranges).toEqual([]);
  expect((await module?.info(source))?.format).toBe(format?.name);
});
