import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatBytes,
  LONGEST_DURATION_MS,
  parseDuration,
  parseSize,
  parseWantedRange,
  rangeWithin,
} from "../../src/cli/quantities.ts";
import { isRiffleError } from "../../src/errors.ts";

const usage = (parse: () => unknown): boolean => {
  try {
    parse();
    return false;
  } catch (error) {
    return isRiffleError(error) && error.code === "usage";
  }
};

test.each([
  ["0", 0],
  ["4096", 4096],
  ["1K", 1024],
  ["20G", 20 * 1024 ** 3],
  ["20g", 20 * 1024 ** 3],
  ["1.5M", 1.5 * 1024 ** 2],
  ["2T", 2 * 1024 ** 4],
  ["3GiB", 3 * 1024 ** 3],
  ["7MB", 7 * 1024 ** 2],
])("the size %s is %i bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

test.each(["", "G", "-1G", "1P", "1e3", "0x10", "1,5G", "99999999T", "1G1"])("%j is no size", (text) => {
  expect(usage(() => parseSize(text))).toBe(true);
});

test.each([
  ["500ms", 500],
  ["60s", 60_000],
  ["1.5s", 1500],
  ["5m", 300_000],
  ["1h", 3_600_000],
])("the duration %s is %i ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each(["", "60", "0s", "-5s", "1d", "s", "5 s", "1h30m", "999999h", "0.1ms"])("%j is no duration", (text) => {
  expect(usage(() => parseDuration(text))).toBe(true);
});

test.each([
  ["0-4", 10, 0, 4],
  ["3-3", 10, 3, 3],
  ["4-", 10, 4, 10],
  ["-3", 10, 7, 10],
  ["-30", 10, 0, 10],
  ["8-20", 10, 8, 10],
  ["20-30", 10, 10, 10],
  ["-0", 10, 10, 10],
])("the range %s of %i bytes is [%i, %i)", (text, size, start, end) => {
  expect(rangeWithin(parseWantedRange(text), size)).toEqual({ start, end });
});

test.each(["", "-", "5", "4-2", "a-b", "0x1-0x4", "1-2-3", "--4", "1.5-2", " 1-2", "99999999999999999-"])(
  "%j is no range",
  (text) => expect(usage(() => parseWantedRange(text))).toBe(true),
);

test("whatever is typed is a safe number or a usage error", () => {
  const words = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.KMGTkmsh-]{0,20}$/));
  fc.assert(
    fc.property(words, (text) => {
      for (const parse of [parseSize, parseDuration]) {
        if (usage(() => parse(text))) continue;
        const value = parse(text);
        expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      }
      if (!usage(() => parseDuration(text))) expect(parseDuration(text)).toBeLessThanOrEqual(LONGEST_DURATION_MS);
    }),
  );
});

test("every range that is read lies within its file", () => {
  const text = fc.oneof(fc.stringMatching(/^[0-9]{0,5}-[0-9]{0,5}$/), fc.string());
  fc.assert(
    fc.property(text, fc.nat(100_000), (words, size) => {
      if (usage(() => parseWantedRange(words))) return;
      const { start, end } = rangeWithin(parseWantedRange(words), size);
      expect(0 <= start && start <= end && end <= size).toBe(true);
    }),
  );
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [734_003_200, "700 MiB"],
  [5 * 1024 ** 5, "5120 TiB"],
])("%i bytes are shown as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
