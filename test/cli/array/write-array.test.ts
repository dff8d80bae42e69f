import { expect, test } from "vitest";
import type { ArrayBlock } from "../../../src/formats/array.ts";
import { writeArray, type ArrayFormat } from "../../../src/cli/array/write-array.ts";

async function written(blocks: readonly ArrayBlock[], format: ArrayFormat): Promise<Buffer> {
  async function* given(): AsyncGenerator<ArrayBlock> {
    yield* blocks;
  }
  const parts: Uint8Array[] = [];
  for await (const piece of writeArray(given(), format)) parts.push(piece);
  return Buffer.concat(parts);
}

function bytes(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Cuts the elements of one array into blocks of `size`. */
function blocksOf(
  whole: { readonly shape: readonly number[]; readonly dtype: string; readonly data: Uint8Array },
  { itemBytes, size }: { readonly itemBytes: number; readonly size: number },
): readonly ArrayBlock[] {
  const blocks: ArrayBlock[] = [];
  for (let at = 0; at < whole.data.length; at += itemBytes * size) {
    blocks.push({ ...whole, offset: at / itemBytes, data: whole.data.subarray(at, at + itemBytes * size) });
  }
  return blocks;
}

test.each([1, 2, 5, 24])("lists in lists, whatever the blocks are: %i elements each", async (size) => {
  const data = bytes(Int16Array.from({ length: 24 }, (_, at) => at - 3));
  const text = await written(blocksOf({ shape: [2, 3, 1, 4], dtype: "<i2", data }, { itemBytes: 2, size }), "json");
  const value = (a: number, b: number, d: number): number => a * 12 + b * 4 + d - 3;
  expect(JSON.parse(text.toString())).toEqual(
    [0, 1].map((a) => [0, 1, 2].map((b) => [[0, 1, 2, 3].map((d) => value(a, b, d))])),
  );
});

test.each([
  ["<f4", bytes(Float32Array.of(1.5, -0.5)), "[1.5,-0.5]"],
  ["<f8", bytes(Float64Array.of(Number.NaN, -Infinity)), '["NaN","-Infinity"]'],
  [
    "<f2",
    bytes(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00)),
    '[1,-2,5.960464477539063e-8,"Infinity","NaN"]',
  ],
  ["bfloat16", bytes(Uint16Array.of(0x3f80, 0xc040)), "[1,-3]"],
  ["<i8", bytes(BigInt64Array.of(9007199254740993n, -1n)), "[9007199254740993,-1]"],
  ["<u8", bytes(BigUint64Array.of(18446744073709551615n)), "[18446744073709551615]"],
  ["|b1", Uint8Array.of(0, 1), "[false,true]"],
  ["<c8", bytes(Float32Array.of(1, 2, 3, -4)), "[[1,2],[3,-4]]"],
  ["<U2", bytes(Uint32Array.of(0xe9, 0x1f600, 0x61, 0)), '["é😀","a"]'],
  ["|S3", Buffer.from("abca\0\0"), '["abc","a"]'],
  ["|V2", Uint8Array.of(1, 0xff), '["01ff"]'],
  ["<M8[s]", bytes(BigInt64Array.of(5n, -(2n ** 63n))), "[5,null]"],
])("%s", async (dtype, data, json) => {
  const count = JSON.parse(json) as readonly unknown[];
  expect((await written([{ shape: [count.length], dtype, offset: 0, data }], "json")).toString()).toBe(`${json}\n`);
});

test("one element without axes, and arrays that hold nothing", async () => {
  const none = { offset: 0, dtype: "|u1", data: new Uint8Array() };
  expect((await written([{ ...none, shape: [], data: Uint8Array.of(7) }], "json")).toString()).toBe("7\n");
  expect((await written([{ ...none, shape: [0] }], "json")).toString()).toBe("[]\n");
  expect((await written([{ ...none, shape: [2, 0, 5] }], "json")).toString()).toBe("[[],[]]\n");
  expect((await written([{ ...none, shape: [2 ** 40, 0] }], "json")).toString()).toBe("[]\n");
});

test("strings of any length: JSON has them, .npy is refused", async () => {
  const block = { shape: [3], dtype: "|O", offset: 0, data: new Uint8Array(), strings: ["a", null, 'q"'] };
  expect((await written([block], "json")).toString()).toBe('["a",null,"q\\""]\n');
  await expect(written([block], "npy")).rejects.toMatchObject({ code: "unsupported" });
});

test(".npy: one header, then the bytes as they come", async () => {
  const data = bytes(Int32Array.of(1, 2, 3, 4));
  const file = await written(blocksOf({ shape: [2, 2], dtype: "<i4", data }, { itemBytes: 4, size: 2 }), "npy");
  expect(file.subarray(0, 6).toString("latin1")).toBe("\u0093NUMPY");
  expect(file.subarray(file.length - 16)).toEqual(Buffer.from(data));
  expect((file.length - 16) % 64).toBe(0);
  expect(file.toString("latin1")).toContain("'descr': '<i4', 'fortran_order': False, 'shape': (2, 2)");
});

test("a type without a spelling in JSON is named", async () => {
  const block = { shape: [1], dtype: "<f16", offset: 0, data: new Uint8Array(16) };
  await expect(written([block], "json")).rejects.toThrow(/type <f16/);
});
