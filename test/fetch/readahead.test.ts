import fc from "fast-check";
import { expect, test } from "vitest";
import { PAGE_BYTES, rangeLength, type ByteRange } from "../../src/bytes/range.ts";
import { ReadAhead, type ReadAheadOptions } from "../../src/fetch/readahead.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZE = 1024 * MIB;

interface Run {
  readonly follower: ReadAhead;
  /** Reads and takes what is advised, as if it were granted in full. */
  readonly read: (start: number, length: number) => ByteRange | undefined;
  readonly fetched: ByteRange[];
}

function follow(options: Partial<ReadAheadOptions> = {}): Run {
  const follower = new ReadAhead({ size: SIZE, ...options });
  const fetched: ByteRange[] = [];
  const read = (start: number, length: number): ByteRange | undefined => {
    const advice = follower.onRead({ start, end: start + length });
    if (advice.ahead !== undefined) {
      follower.granted(advice, advice.ahead.end);
      fetched.push(advice.ahead);
    }
    return advice.ahead;
  };
  return { follower, read, fetched };
}

const total = (ranges: readonly ByteRange[]): number => ranges.reduce((sum, range) => sum + rangeLength(range), 0);

test("the third read of a run is the first that reads ahead, as far as was read", () => {
  const { read } = follow();
  expect(read(0, 128 * KIB)).toBeUndefined();
  expect(read(128 * KIB, 128 * KIB)).toBeUndefined();
  expect(read(256 * KIB, 128 * KIB)).toEqual({ start: 384 * KIB, end: 768 * KIB });
});

test("a run that begins inside the file must consume two mebibytes first, more than runs before it did, or be many reads", () => {
  const { read } = follow();
  const run = (base: number, reads: number, bytes: number): (ByteRange | undefined)[] =>
    Array.from({ length: reads }, (_, step) => read(base + step * bytes, bytes));
  // Rows of tiles: nothing is read ahead of them, also when the next ones are a little longer.
  expect(run(5 * MIB, 7, 256 * KIB).filter((ahead) => ahead !== undefined)).toEqual([]);
  expect(run(15 * MIB, 10, 256 * KIB).filter((ahead) => ahead !== undefined)).toEqual([]);
  const large = run(100 * MIB, 8, 768 * KIB);
  expect(large.findIndex((ahead) => ahead !== undefined)).toBe(6);
  expect(large[6]?.start).toBe(100 * MIB + 7 * 768 * KIB);
  const small = run(200 * MIB, 20, 32 * KIB);
  expect(small.findIndex((ahead) => ahead !== undefined)).toBe(2);
});

test("twelve small reads in a row are a stream, wherever they begin", () => {
  const { read } = follow();
  const steps = Array.from({ length: 20 }, (_, step) => read(7 * MIB + step * 32 * KIB, 32 * KIB));
  expect(steps.findIndex((ahead) => ahead !== undefined)).toBe(11);
});

test("a program that copies is believed at its second read", () => {
  const { read } = follow();
  expect(read(0, MIB)).toBeUndefined();
  expect(read(MIB, MIB)).toEqual({ start: 2 * MIB, end: 4 * MIB });
});

test("random reads read nothing ahead", () => {
  const { read, fetched } = follow();
  for (let index = 0; index < 500; index++) read(((index * 7919) % 4096) * 256 * KIB, 64 * KIB);
  expect(fetched).toEqual([]);
});

test("the same page again and again is no stream", () => {
  const { read, fetched } = follow();
  for (let index = 0; index < 10; index++) read(MIB, 64 * KIB);
  expect(fetched).toEqual([]);
});

test("the window doubles with what is read, up to 64 MiB, in parts of an eighth", () => {
  const { follower, fetched } = follow();
  const ahead: number[] = [];
  const parts: number[] = [];
  for (let start = 0; start < 256 * MIB; start += 128 * KIB) {
    const advice = follower.onRead({ start, end: start + 128 * KIB });
    if (advice.ahead === undefined) continue;
    follower.granted(advice, advice.ahead.end);
    fetched.push(advice.ahead);
    ahead.push(advice.ahead.end - (start + 128 * KIB));
    parts.push(advice.partBytes);
    expect(advice.ahead.end).toBeLessThanOrEqual(2 * (start + 128 * KIB));
  }
  expect(Math.max(...ahead)).toBeLessThanOrEqual(64 * MIB);
  expect(Math.max(...ahead)).toBeGreaterThan(60 * MIB);
  expect([Math.min(...parts), Math.max(...parts)]).toEqual([256 * KIB, 8 * MIB]);
  // Contiguous, nothing twice.
  expect(fetched.slice(1).every((range, index) => range.start === fetched[index]?.end)).toBe(true);
  expect(fetched.length).toBeLessThan(100);
});

test("the end of the content ends the window", () => {
  const { read } = follow({ size: MIB + 5 });
  for (let start = 0; start < 512 * KIB; start += 128 * KIB) read(start, 128 * KIB);
  expect(read(512 * KIB, 128 * KIB)).toBeUndefined();
  const short = follow({ size: 600_000 });
  short.read(0, 128 * KIB);
  short.read(128 * KIB, 128 * KIB);
  expect(short.read(256 * KIB, 128 * KIB)).toEqual({ start: 384 * KIB, end: 600_000 });
});

test("reads that overtake each other are one stream", () => {
  const { read, fetched } = follow();
  for (const at of [0, 2, 1, 3, 5, 4, 7, 6, 9, 8]) read(at * 128 * KIB, 128 * KIB);
  expect(fetched[0]?.start).toBe(3 * 128 * KIB);
  expect(fetched.every((range, index) => index === 0 || range.start === fetched[index - 1]?.end)).toBe(true);
});

test("four interleaved streams are followed, each by itself", () => {
  const { read, fetched } = follow();
  const bases = [50 * MIB, 100 * MIB, 200 * MIB, 300 * MIB];
  for (let step = 0; step < 32; step++) for (const base of bases) read(base + step * 64 * KIB, 64 * KIB);
  for (const base of bases) {
    const own = fetched.find((range) => range.start >= base && range.start < base + 50 * MIB);
    expect(own).toEqual({ start: base + 768 * KIB, end: base + 1536 * KIB });
  }
});

test("what a reader skips behind all that was asked for is not taken for read", () => {
  const follower = new ReadAhead({ size: SIZE });
  for (const start of [0, 128 * KIB]) follower.onRead({ start, end: start + 128 * KIB });
  const advice = follower.onRead({ start: 256 * KIB, end: 384 * KIB });
  // Half of it was granted, up to 576 KiB.
  follower.granted(advice, 576 * KIB);
  const { ahead, stream } = follower.onRead({ start: 640 * KIB, end: 768 * KIB });
  expect(stream.consumed).toBe((4 * 128 + 192) * KIB);
  expect(ahead).toEqual({ start: 768 * KIB, end: 768 * KIB + stream.consumed });
});

test("a jump begins anew", () => {
  const { read } = follow();
  for (let start = 0; start < 8 * MIB; start += 128 * KIB) read(start, 128 * KIB);
  expect(read(500 * MIB, 128 * KIB)).toBeUndefined();
  expect(read(500 * MIB + 128 * KIB, 128 * KIB)).toBeUndefined();
  expect(rangeLength(read(500 * MIB + 256 * KIB, 128 * KIB) ?? { start: 0, end: 0 })).toBe(384 * KIB);
});

test("runs of like length are learned: the next one is had whole at its second read, and not more", () => {
  const { read, fetched } = follow();
  const run = (base: number): void => {
    for (let step = 0; step < 40; step++) read(base + step * 16 * KIB, 16 * KIB);
  };
  run(0);
  run(50 * MIB);
  const before = total(fetched);
  expect(read(100 * MIB, 16 * KIB)).toBeUndefined();
  expect(read(100 * MIB + 16 * KIB, 16 * KIB)).toEqual({ start: 100 * MIB + 32 * KIB, end: 100 * MIB + 640 * KIB });
  for (let step = 2; step < 39; step++) expect(read(100 * MIB + step * 16 * KIB, 16 * KIB)).toBeUndefined();
  expect(total(fetched) - before).toBe(608 * KIB);
  // Another shape has nothing to do with it.
  expect(read(200 * MIB, 256 * KIB)).toBeUndefined();
  expect(read(200 * MIB + 256 * KIB, 256 * KIB)).toBeUndefined();
});

test("reading ahead ends at the limit, but for a program that copies", () => {
  const limitAt = (offset: number): number => (offset < 20 * MIB ? 20 * MIB : offset);
  const { read } = follow({ limitAt });
  for (let start = 8 * MIB; start < 19 * MIB; start += 256 * KIB)
    expect(read(start, 256 * KIB)?.end ?? 0).toBeLessThanOrEqual(20 * MIB);
  for (let start = 30 * MIB; start < 61 * MIB; start += 256 * KIB) expect(read(start, 256 * KIB)).toBeUndefined();
  for (let start = 61 * MIB; start < 61.75 * MIB; start += 256 * KIB) read(start, 256 * KIB);
  expect(read(61.75 * MIB, 256 * KIB)?.start).toBe(62 * MIB);
  const copy = follow({ limitAt: (offset) => offset });
  copy.read(0, MIB);
  expect(copy.read(MIB, MIB)).toEqual({ start: 2 * MIB, end: 4 * MIB });
});

test("marks lie inside what was granted, and behind what was read", () => {
  const { follower, read } = follow();
  expect(follower.marks()).toEqual([]);
  for (let start = 0; start < 32 * MIB; start += 128 * KIB) {
    read(start, 128 * KIB);
    for (const mark of follower.marks()) expect(mark).toBeGreaterThanOrEqual(start + 128 * KIB);
  }
  const [mark = 0] = follower.marks();
  // A reader that is served elsewhere shows up at the mark, and reading ahead goes on.
  const from = Math.floor(mark / PAGE_BYTES) * PAGE_BYTES;
  expect(read(from, 128 * KIB)).toBeDefined();
});

test("whatever is read, what is fetched in vain is at most what was read", () => {
  const step = fc.record({ jump: fc.option(fc.nat(8000), { freq: 6 }), length: fc.integer({ min: 1, max: 64 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { read, fetched } = follow();
      let at = 0;
      let consumed = 0;
      for (const { jump, length } of steps) {
        if (jump !== null) at = jump * 64 * KIB;
        read(at, length * PAGE_BYTES);
        consumed += length * PAGE_BYTES;
        at += length * PAGE_BYTES;
        expect(total(fetched)).toBeLessThanOrEqual(2 * consumed);
      }
    }),
  );
});
