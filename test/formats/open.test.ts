import { describe, expect, test } from "vitest";
import { memorySource, type RangeSource } from "../../src/bytes/source.ts";
import type { FileSet } from "../../src/formats/format.ts";
import { npyHeader } from "../../src/formats/npy/encode.ts";
import { openArray, openRaster, openTable, openTiles } from "../../src/formats/open.ts";
import { loggedSource } from "../support/logged-source.ts";

const csv = new TextEncoder().encode("id,name\n1,one\n2,two\n");
const npy = Buffer.concat([npyHeader({ dtype: "|u1", shape: [3] }), Uint8Array.of(7, 8, 9)]);

function fileSet(files: Readonly<Record<string, Uint8Array>>): FileSet {
  return {
    paths: Object.keys(files).toSorted(),
    file: (path): RangeSource | undefined => {
      const bytes = files[path];
      return bytes === undefined ? undefined : memorySource(path, bytes);
    },
  };
}

async function idsOf(files: FileSet): Promise<readonly unknown[]> {
  await using table = await openTable(files, { hint: { name: "dir" } });
  const ids: unknown[] = [];
  for await (const batch of table.scan({})) ids.push(...(batch.getChild("id") ?? []));
  return ids.map(Number);
}

test("any source is enough, and content decides", async () => {
  const source = loggedSource(npy);
  await using array = await openArray(source, { hint: { name: "misnamed.csv" } });
  const blocks: number[] = [];
  for await (const { data } of array.scan({})) blocks.push(...data);
  expect([array.metadata.format, blocks]).toEqual(["npy", [7, 8, 9]]);
  await using table = await openTable(memorySource("x", csv), { hint: { name: "a.csv" } });
  expect(table.metadata.columns.map(({ name }) => name)).toEqual(["id", "name"]);
});

describe("a reader that a format does not have", () => {
  const of = (bytes: Uint8Array, name: string): [RangeSource, { hint: { name: string } }] => [
    memorySource(name, bytes),
    { hint: { name } },
  ];
  test.each([
    [
      () => openTable(...of(npy, "a.npy")),
      "usage",
      "a.npy is NumPy array, which is not a table",
      "riffle array reads it",
    ],
    [() => openRaster(...of(csv, "a.csv")), "usage", "a.csv is CSV, which is not a raster", "riffle table reads it"],
    [() => openArray(...of(csv, "a.csv")), "usage", "a.csv is CSV, which is not arrays", "riffle table reads it"],
    [
      () => openTiles(...of(csv, "a.csv")),
      "usage",
      "a.csv is CSV, which is not an archive of tiles",
      "riffle table reads it",
    ],
    [
      () => openTable(...of(Buffer.from("PK\x05\x06".padEnd(22, "\0")), "a.zip")),
      "unsupported",
      "a.zip is zip archive, which is not a table",
      "riffle info tells what is known of it",
    ],
  ])("%#", async (open, code, message, hint) => {
    await expect(open()).rejects.toMatchObject({ code, message, hint });
  });

  test("of no format at all", async () => {
    const open = openTable(memorySource("x", Uint8Array.of(1, 2, 3, 0, 0, 0, 0)), { hint: { name: "x.bin" } });
    await expect(open).rejects.toMatchObject({
      code: "unsupported",
      message: "x.bin is of no format that riffle knows",
    });
  });
});

describe("many files", () => {
  const other = new TextEncoder().encode("id,name\n3,three\n");

  test("are one table in the order of their names; notes of the writer are none of it", async () => {
    const noise = { _SUCCESS: new Uint8Array(), ".a.csv.crc": Uint8Array.of(1), "_tmp/x.csv": other, "README.md": csv };
    expect(await idsOf(fileSet({ "b.csv": other, "a.csv": csv, ...noise }))).toEqual([1, 2, 3]);
  });

  test("are no raster, and arrays only where they are a store", async () => {
    const files = fileSet({ "a.csv": csv });
    await expect(openRaster(files, { hint: { name: "d" } })).rejects.toThrow("d is a directory, which is not a raster");
    await expect(openArray(files, { hint: { name: "d" } })).rejects.toThrow("d is a directory, and no Zarr store");
    const store = fileSet({ ".zgroup": Buffer.from('{"zarr_format":2}') });
    await expect(openTable(store, { hint: { name: "z" } })).rejects.toThrow("z is Zarr, which is not a table");
  });
});
