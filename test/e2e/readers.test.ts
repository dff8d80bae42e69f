import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { npyHeader } from "../../src/formats/npy/encode.ts";
import { askedArtifact, type AskedArtifact } from "../support/asked.ts";
import { run, temporaryFolder, type Folder } from "../support/processes.ts";
import { ROOT } from "../support/root.ts";

/** The library's readers as a user has them: the package by its name, from the checkout's build. */
let artifact: AskedArtifact;
let folder: Folder;
const BYTES = 3_000_000;

beforeAll(async () => {
  folder = temporaryFolder("readers");
  const header = npyHeader({ dtype: "|u1", shape: [BYTES / 1000, 1000] });
  artifact = await askedArtifact([
    { title: "a.npy", content: { kind: "bytes", bytes: Buffer.concat([header, Buffer.alloc(BYTES, 3)]) } },
    { title: "a.csv", content: { kind: "bytes", bytes: Buffer.from("id,name\n1,one\n2,two\n") } },
  ]);
});
afterAll(async () => {
  await artifact.close();
  folder.remove();
});

/** Runs a module that imports the package; what it prints as JSON. */
async function script(source: string, flags: readonly string[] = []): Promise<unknown> {
  const library = join(ROOT, "dist/index.js");
  const text = source.replaceAll("LIBRARY", JSON.stringify(`file://${library}`));
  writeFileSync(join(folder.path, "script.mjs"), text);
  const { status, stdout, stderr } = await run(
    process.execPath,
    [...flags, join(folder.path, "script.mjs"), artifact.reference],
    { env: { RIFFLE_MODULE_LIST: join(folder.path, "modules") }, timeoutMs: 60_000 },
  );
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout.toString());
}

test("importing the package loads neither wasm nor Arrow nor any decoder", async () => {
  const probe = join(ROOT, "dist-tools/bench/probes/module-list.js");
  const names = await script("import * as riffle from LIBRARY; console.log(JSON.stringify(Object.keys(riffle)));", [
    "--import",
    probe,
  ]);
  for (const name of ["open", "openTable", "openRaster", "openArray", "parsePredicate", "memorySource", "RiffleError"])
    expect(names).toContain(name);
  const loaded = readFileSync(join(folder.path, "modules"), "utf8");
  expect(loaded).toContain("dist/index.js");
  const heavy =
    /WebAssembly\.|node_modules\/(?:apache-arrow|parquet-wasm|hyparquet|geotiff|h5wasm|zarrita|flatgeobuf|pmtiles|proj4|pgsql-ast-parser|csv-parse|pngjs|zstddec)/;
  expect(loaded.split("\n").filter((line) => heavy.test(line))).toEqual([]);
});

test("a reader plans what it moves, keeps its file, and lets it go", async () => {
  const [plan, before, after, sum, again] = (await script(`import { open } from LIBRARY;
    const artifact = await open(process.argv[2]);
    const moved = () => { const { requestsByKind, bytesFetchedByKind } = artifact.stats();
      return { requests: requestsByKind.blob, bytes: bytesFetchedByKind.blob }; };
    const array = await artifact.array("a.npy");
    const query = { slice: "1000:2000" };
    const plan = await array.plan(query);
    const before = moved();
    let sum = 0;
    for await (const { data } of array.scan(query)) for (const value of data) sum += value;
    const after = moved();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    for await (const _ of array.scan(query));
    const again = moved();
    await array.close();
    await artifact.close();
    console.log(JSON.stringify([plan, before, after, sum, again]));`)) as [
    { requests: number; bytesFetched: number; bytesNeeded: number },
    ...{ requests: number; bytes: number }[],
  ];
  expect(before).toEqual({ requests: 1, bytes: 32_768 });
  expect(sum).toBe(3_000_000);
  expect(after?.requests).toBe((before?.requests ?? 0) + plan.requests);
  expect((after?.bytes ?? 0) - (before?.bytes ?? 0)).toBeLessThanOrEqual(plan.bytesFetched);
  expect(again).toEqual(after);
});

test("a signal ends a scan, and many ranges do not make Node warn", async () => {
  const code = await script(`import { open } from LIBRARY;
    const artifact = await open(process.argv[2]);
    const controller = new AbortController();
    const array = await artifact.array("a.npy", { signal: controller.signal });
    for await (const _ of array.scan({ slice: "::7,5" }, { signal: controller.signal }));
    controller.abort();
    let code = "";
    try { for await (const _ of array.scan({}, { signal: controller.signal })); } catch (error) { code = error.code; }
    await artifact.close();
    console.log(JSON.stringify(code));`);
  expect(code).toBe("aborted");
});

test("any source will do, and a refusal has its code", async () => {
  const told = await script(`import { isRiffleError, memorySource, open, openTable } from LIBRARY;
    const table = await openTable(memorySource("x", Buffer.from("id,name\\n1,one\\n")), { hint: { name: "x.csv" } });
    let rows = 0;
    for await (const batch of table.scan({ columns: ["name"] })) rows += batch.numRows;
    const artifact = await open(process.argv[2]);
    const refused = await artifact.raster("a.csv").catch((error) => [isRiffleError(error), error.code, error.message]);
    await artifact.close();
    console.log(JSON.stringify([rows, refused]));`);
  expect(told).toEqual([1, [true, "usage", "a.csv is CSV, which is not a raster"]]);
});
