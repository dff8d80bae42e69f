import { expect, test } from "vitest";
import type { SampleType } from "../../../src/formats/cog/sample-type.ts";
import { widen } from "../../../src/formats/cog/widen.ts";

const ONE_BIT = { kind: "unsigned", bits: 1, bytes: 1, name: "uint8" } as const satisfies SampleType;

test.each([1, 7, 8, 9, 64, 131])("rows of %i single bits become bytes, each row from a whole byte", (samplesPerRow) => {
  const rows = 5;
  const rowBytes = Math.ceil(samplesPerRow / 8);
  const stored = Uint8Array.from({ length: rows * rowBytes }, (_, i) => (i * 151 + 29) & 0xff);
  const bit = (row: number, sample: number): number =>
    ((stored[row * rowBytes + (sample >> 3)] ?? 0) >> (7 - (sample & 7))) & 1;
  const expected = Array.from({ length: rows * samplesPerRow }, (_, i) =>
    bit(Math.floor(i / samplesPerRow), i % samplesPerRow),
  );
  expect([...widen(stored, { type: ONE_BIT, littleEndian: true, samplesPerRow, rows })]).toEqual(expected);
});
