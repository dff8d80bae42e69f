import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  boxElements,
  boxOf,
  boxRanges,
  gatherBox,
  splitBox,
  type Box,
  type Layout,
} from "../../src/formats/strided.ts";
import { parseSlice } from "../../src/formats/slice.ts";

const SEED = 20_260_101;

/** The file: every element is its own number in the order of storage. */
function stored({ offset, shape, itemBytes }: Layout): Uint8Array {
  const count = shape.reduce((product, length) => product * length, 1);
  const bytes = new Uint8Array(offset + count * itemBytes);
  for (let i = 0; i < count * itemBytes; i += 1) bytes[offset + i] = (i * 7 + (i >> 8)) & 255;
  return bytes;
}

/** Element by element, with nothing merged. */
function naive(bytes: Uint8Array, { layout, box }: { layout: Layout; box: Box }): Uint8Array {
  const { shape, order, offset, itemBytes } = layout;
  const axes = shape.map((_, axis) => axis);
  const stride = axes.map((axis) => {
    const faster = axes.filter((other) => (order === "C" ? other > axis : other < axis));
    return faster.reduce((product, other) => product * (shape[other] ?? 0), itemBytes);
  });
  let starts = [offset];
  box.forEach((axis, at) => {
    starts = starts.flatMap((start) =>
      Array.from({ length: axis.count }, (_, i) => start + (axis.start + i * axis.step) * (stride[at] ?? 0)),
    );
  });
  return Buffer.concat(starts.map((start) => bytes.subarray(start, start + itemBytes)));
}

const cases = fc
  .record({
    shape: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 4 }),
    order: fc.constantFrom("C" as const, "F" as const),
    itemBytes: fc.constantFrom(1, 2, 4, 8, 40),
    gap: fc.constantFrom(0, 3, 16, 4096),
    bytes: fc.constantFrom(1, 64, 100_000),
    ranges: fc.constantFrom(1, 5, 1000),
    picks: fc.array(
      fc.tuple(fc.integer({ min: -8, max: 8 }), fc.integer({ min: -8, max: 8 }), fc.integer({ min: 0, max: 4 })),
      {
        minLength: 4,
        maxLength: 4,
      },
    ),
  })
  .map(({ shape, picks, ...rest }) => {
    const axes = shape.map((length, axis) => {
      const [a, b, step] = picks[axis] ?? [0, 0, 1];
      if (step === 0 && length > 0) return String(((a % length) + length) % length);
      return a === b ? ":" : `${a}:${b}:${Math.max(1, step)}`;
    });
    return { shape, text: axes.join(","), ...rest };
  });

describe("boxes of an array without chunks", () => {
  test("give the elements that a walk over all of them gives, in both orders, whole and in parts", () => {
    fc.assert(
      fc.property(cases, ({ shape, text, order, itemBytes, gap, bytes, ranges }) => {
        const layout: Layout = { offset: 13, shape, order, itemBytes };
        const file = stored(layout);
        const box = boxOf(parseSlice(text, { shape }));
        const parts = [...splitBox(box, { layout, gap, limits: { bytes, ranges } })].map((part) => {
          const found = boxRanges(part, { layout, gap });
          expect(found.length <= ranges || boxElements(part) === 1).toBe(true);
          for (const [i, range] of found.entries()) {
            expect(range.start - (found[i - 1]?.end ?? -Infinity)).toBeGreaterThan(0);
            expect(range.end).toBeLessThanOrEqual(file.length);
          }
          const pieces = found.map(({ start, end }) => file.slice(start, end));
          return gatherBox(part, { layout, gap, pieces });
        });
        expect(Buffer.concat(parts).toString("hex")).toBe(Buffer.from(naive(file, { layout, box })).toString("hex"));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("join touching rows into one range and leave out what no element needs", () => {
    const layout: Layout = { offset: 100, shape: [10, 2000], order: "C", itemBytes: 4 };
    const rangesOf = (text: string): unknown => boxRanges(boxOf(parseSlice(text, layout)), { layout, gap: 0 });
    expect(rangesOf("2:5")).toEqual([{ start: 16_100, end: 40_100 }]);
    expect(rangesOf("2:4,10:20")).toEqual([
      { start: 16_140, end: 16_180 },
      { start: 24_140, end: 24_180 },
    ]);
    expect(rangesOf("3:3")).toEqual([]);
  });
});
