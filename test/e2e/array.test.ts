import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { npyHeader } from "../../src/formats/npy/encode.ts";
import { askedArtifact, type AskedArtifact } from "../support/asked.ts";
import { FIXTURES } from "../support/fixtures.ts";

const SHAPE = [64, 300, 50] as const;
const values = Float32Array.from({ length: SHAPE[0] * SHAPE[1] * SHAPE[2] }, (_, at) => (at % 7919) / 8);
const npy = Buffer.concat([npyHeader({ dtype: "<f4", shape: SHAPE }), new Uint8Array(values.buffer)]);
const at = (i: number, j: number, k: number): number => values[(i * SHAPE[1] + j) * SHAPE[2] + k] ?? Number.NaN;

/** Tensors of 2 MB each. */
const TENSORS = 6;
const TENSOR_BYTES = 2_000_000;

function safetensors(): Buffer {
  const header: Record<string, unknown> = {};
  for (let n = 0; n < TENSORS; n += 1) {
    const data_offsets = [n * TENSOR_BYTES, (n + 1) * TENSOR_BYTES];
    header[`layer.${n}`] = { dtype: "U8", shape: [2000, 1000], data_offsets };
  }
  const text = Buffer.from(JSON.stringify(header).padEnd(512));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(TENSORS * TENSOR_BYTES, 0).map((_, n) => (n * 31) % 251)]);
}

const ZARR = "gdal/gdrivers/data/zarr/array_dimensions.zarr";
let artifact: AskedArtifact;
const tensors = safetensors();

beforeAll(async () => {
  const store = FIXTURES === undefined ? [] : readdirSync(join(FIXTURES, ZARR), { recursive: true, encoding: "utf8" });
  const chunks = store.flatMap((name) => {
    try {
      const bytes = readFileSync(join(FIXTURES ?? "", ZARR, name));
      return [{ title: `grid.zarr/${name}`, content: { kind: "bytes" as const, bytes } }];
    } catch {
      return [];
    }
  });
  artifact = await askedArtifact([
    { title: "a.npy", content: { kind: "bytes", bytes: npy } },
    { title: "model.safetensors", content: { kind: "bytes", bytes: tensors } },
    ...chunks,
  ]);
});
afterAll(() => artifact.close());

describe(".npy", () => {
  test("a slice as JSON", async () => {
    const { code, stdout, moved } = await artifact.ask("array", ["a.npy", "--slice", "3:5,-2:,7", "--format", "json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([3, 4].map((i) => [298, 299].map((j) => at(i, j, 7))));
    expect(moved.blobBytes).toBeLessThan(300_000);
  });

  test("all of it into a pipe is the file itself", async () => {
    const { code, stdoutBytes } = await artifact.ask("array", ["a.npy"]);
    expect([code, stdoutBytes.equals(npy)]).toEqual([0, true]);
  });

  test("--explain fetches no data", async () => {
    const { stdout, moved } = await artifact.ask("array", ["a.npy", "--slice", "60", "--explain", "--json"]);
    const plan = JSON.parse(stdout) as { bytesNeeded: number; requests: number; ranges: unknown[] };
    expect(plan).toMatchObject({ file: "a.npy", query: { slice: "60" }, requests: 1 });
    expect(plan.bytesNeeded).toBeGreaterThanOrEqual(SHAPE[1] * SHAPE[2] * 4);
    expect(plan.bytesNeeded).toBeLessThan(SHAPE[1] * SHAPE[2] * 4 + 1000);
    expect(moved).toMatchObject({ blobRequests: 1, blobBytes: 32 * 1024 });
  });
});

describe("safetensors", () => {
  test("one tensor moves its bytes and the header", async () => {
    const { code, stdoutBytes, moved } = await artifact.ask("array", ["model.safetensors", "--name", "layer.4"]);
    const start = tensors.length - 2 * TENSOR_BYTES;
    expect(code).toBe(0);
    expect(stdoutBytes.subarray(-TENSOR_BYTES).equals(tensors.subarray(start, start + TENSOR_BYTES))).toBe(true);
    expect(moved.blobBytes).toBeLessThan(TENSOR_BYTES * 1.01 + 32 * 1024);
    expect(moved.blobRequests).toBeLessThanOrEqual(3);
  });

  test("what there is, is told where a name is wrong or missing", async () => {
    for (const words of [["--name", "layer.9"], []]) {
      const { code, stderr } = await artifact.ask("array", ["model.safetensors", ...words]);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/layer\.0.*layer\.5/)]);
    }
  });
});

describe.skipIf(FIXTURES === undefined)("Zarr directory (skipped without the public test files)", () => {
  test("an array of it", async () => {
    const { files } = JSON.parse(readFileSync(join(FIXTURES ?? "", "expected.json"), "utf8")) as {
      files: Record<string, { arrays: Record<string, { sha256: string }> }>;
    };
    const { code, stdoutBytes, stderr } = await artifact.ask("array", ["grid.zarr", "--name", "lat"]);
    expect([code, stderr]).toEqual([0, ""]);
    const data = stdoutBytes.subarray(stdoutBytes.length - 160);
    expect(createHash("sha256").update(data).digest("hex")).toBe(files[ZARR]?.arrays["/lat"]?.sha256);
  });
});

describe("words that are off", () => {
  test.each([
    [["a.npy", "--slice", "64"], 2, /64/],
    [["a.npy", "--slice", "0,0,0,0"], 2, /axes/],
    [["a.npy", "--slice", "x"], 2, /x/],
    [["a.npy", "--name", "b"], 2, /b/],
    [["a.npy", "-o", "a.txt"], 2, /"\.txt" does not tell/],
    [["none"], 3, /no path "none"/],
  ])("%j", async (words, code, message) => {
    const outcome = await artifact.ask("array", words);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toMatch(message);
  });
});
