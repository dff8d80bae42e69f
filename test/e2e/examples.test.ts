import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askedArtifact, type AskedArtifact } from "../support/asked.ts";
import { FIXTURES } from "../support/fixtures.ts";
import { mountObstacle, run, temporaryFolder, type Folder, type RunResult } from "../support/processes.ts";
import { ROOT } from "../support/root.ts";

/** Examples are run as they are, from the checkout, by people who have its build. */
let artifact: AskedArtifact;
let folder: Folder;

const ROWS = 5000;
const TENSOR = Float32Array.from({ length: 600 }, (_, at) => at / 2);

function safetensors(): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      first: { dtype: "F32", shape: [20, 30], data_offsets: [0, 2400] },
      second: { dtype: "U8", shape: [100], data_offsets: [2400, 2500] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, new Uint8Array(TENSOR.buffer), Buffer.alloc(100, 7)]);
}

beforeAll(async () => {
  folder = temporaryFolder("examples");
  const ids = Array.from({ length: ROWS }, (_, id) => id);
  const trips = parquetWriteBuffer({
    rowGroupSize: 1000,
    columnData: [
      { name: "id", data: ids, type: "INT32" },
      { name: "fare", data: ids.map((id) => id / 4), type: "DOUBLE" },
    ],
  });
  const cog = join(FIXTURES ?? "", "rio-cogeo/image_north.tif");
  artifact = await askedArtifact([
    { title: "trips.parquet", content: { kind: "bytes", bytes: new Uint8Array(trips) } },
    { title: "model.safetensors", content: { kind: "bytes", bytes: safetensors() } },
    ...(FIXTURES === undefined
      ? []
      : [{ title: "scene.tif", content: { kind: "bytes", bytes: readFileSync(cog) } } as const]),
  ]);
});
afterAll(async () => {
  await artifact.close();
  folder.remove();
});

async function example(name: string, words: readonly string[]): Promise<RunResult> {
  const outcome = await run(process.execPath, [join(ROOT, "examples", name), artifact.reference, ...words], {
    cwd: folder.path,
    env: { ...artifact.home.environment },
    timeoutMs: 60_000,
  });
  expect([outcome.status, outcome.stderr.includes("Error")]).toEqual([0, false]);
  return outcome;
}

test("a tensor of a model", async () => {
  const { stdout } = await example("safetensors-tensor.mjs", ["model.safetensors", "first"]);
  expect(stdout.toString()).toContain("first: <f4, 20x30, 2400 bytes, the first are 0,0,0,0");
  const list = await example("safetensors-tensor.mjs", ["model.safetensors"]);
  expect(list.stdout.toString()).toContain("second |u1 100");
});

test("row groups as an Arrow IPC stream", async () => {
  const { stdout, stderr } = await example("row-groups-to-arrow-ipc.mjs", [
    "trips.parquet",
    "id >= 2990 AND fare < 752",
    "fare,id",
  ]);
  const table = tableFromIPC(stdout);
  expect(table.schema.fields.map(({ name }) => name)).toEqual(["fare", "id"]);
  expect([...(table.getChild("id") ?? [])]).toEqual(Array.from({ length: 18 }, (_, at) => 2990 + at));
  expect(stderr).toContain("row groups by statistics: 2 of 5");
});

const obstacle = mountObstacle();
describe.skipIf(obstacle !== undefined)(`a mount${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  test("DuckDB over it", async () => {
    const sql = "select count(*) as n, sum(fare) as fares from 'trips.parquet' where id >= 4000";
    const { stdout } = await example("duckdb-over-mount.mjs", [sql]);
    expect(stdout.toString()).toMatch(/^n \| fares\n1000 \| 1124875\n\d+ requests, \d+ bytes of data\n$/);
  });
});

describe.skipIf(FIXTURES === undefined)("a scene (skipped without the public test files)", () => {
  test("a window of a COG as PNG", async () => {
    const path = join(folder.path, "window.png");
    await example("cog-window-to-png.mjs", ["scene.tif", "1000,1000,256,128", path]);
    const image = PNG.sync.read(readFileSync(path));
    expect([image.width, image.height]).toEqual([256, 128]);
    expect(new Set(image.data).size).toBeGreaterThan(5);
  });
});
