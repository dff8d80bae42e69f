import { describe, expect, test } from "vitest";
import { decodeLzw } from "../../../../src/formats/cog/codec/lzw.ts";

/** An encoder of its own: codes by a table of strings, packed in either order. */
function encodeLzw(input: Uint8Array, old: boolean): Uint8Array {
  const bits: number[] = [];
  const put = (code: number, width: number): void => {
    for (let i = 0; i < width; i += 1) bits.push((code >> (old ? i : width - 1 - i)) & 1);
  };
  const widthFor = (next: number): number => (next < 512 ? 9 : next < 1024 ? 10 : next < 2048 ? 11 : 12);
  let table = new Map<string, number>();
  let next = 258;
  put(256, 9);
  let held = "";
  const codeOf = (text: string): number => (text.length === 1 ? text.charCodeAt(0) : (table.get(text) ?? -1));
  // the encoder is one code ahead of the decoder: the older form widens when a code needs it, the newer one code sooner
  const width = (): number => widthFor(old ? next - 1 : next);
  for (const byte of input) {
    const longer = held + String.fromCharCode(byte);
    if (longer.length === 1 || table.has(longer)) {
      held = longer;
      continue;
    }
    put(codeOf(held), width());
    table.set(longer, next);
    next += 1;
    held = String.fromCharCode(byte);
    if (next === 4094) {
      put(codeOf(held), width());
      put(256, widthFor(old ? next : next + 1));
      table = new Map();
      next = 258;
      held = "";
    }
  }
  if (held !== "") put(codeOf(held), width());
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) {
    bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (bit << (old ? i & 7 : 7 - (i & 7)));
  }
  return bytes;
}

const NOISE = Uint8Array.from({ length: 30_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 21) & 0xff);
const RUNS = Uint8Array.from({ length: 30_000 }, (_, i) => i >> 9);

describe.each([false, true])("LZW, older form: %s", (old) => {
  test.each([
    ["noise", NOISE],
    ["runs", RUNS],
    ["one byte", RUNS.subarray(0, 1)],
  ])("%s comes back, through every width of codes", (_, input) => {
    expect(Buffer.from(decodeLzw(encodeLzw(input, old), input.length)).equals(Buffer.from(input))).toBe(true);
  });

  test("a stream that ends early gives what it has; one that is longer is cut", () => {
    const encoded = encodeLzw(RUNS, old);
    expect(decodeLzw(encoded.subarray(0, encoded.length - 20), RUNS.length).length).toBeLessThan(RUNS.length);
    expect(Buffer.from(decodeLzw(encoded, 700)).equals(Buffer.from(RUNS.subarray(0, 700)))).toBe(true);
  });
});

test("a code that is not in the table yet is an error", () => {
  // clear, then 300
  expect(() => decodeLzw(Uint8Array.of(0x80, 0x4b, 0x00), 10)).toThrow("LZW code 300 is not in the table of 258 codes");
});
