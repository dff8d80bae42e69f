/** Half-open: `start <= offset < end`, safe integers. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The unit of presence in the cache, and of the kernel's requests. */
export const PAGE_BYTES = 4096;

export function rangeLength(range: ByteRange): number {
  return range.end - range.start;
}

export function isEmpty(range: ByteRange): boolean {
  return range.end <= range.start;
}

/** The part of `range` inside `[0, size)`; empty at `size` when it lies behind. */
export function clip(range: ByteRange, size: number): ByteRange {
  const start = Math.min(range.start, size);
  return { start, end: Math.max(start, Math.min(range.end, size)) };
}

export function overlaps(a: ByteRange, b: ByteRange): boolean {
  return a.start < b.end && b.start < a.end;
}

export function contains(outer: ByteRange, inner: ByteRange): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/** Grown to whole pages, then cut at `size`. */
export function alignToPages(range: ByteRange, size: number): ByteRange {
  if (isEmpty(range)) return range;
  const start = Math.floor(range.start / PAGE_BYTES) * PAGE_BYTES;
  return { start, end: Math.min(size, Math.ceil(range.end / PAGE_BYTES) * PAGE_BYTES) };
}

/** Sorted, without empties, overlapping and touching ranges joined; gaps of up to `gap` bytes are joined over. */
export function mergeRanges(ranges: readonly ByteRange[], gap = 0): ByteRange[] {
  const merged: { start: number; end: number }[] = [];
  for (const range of ranges.filter((r) => !isEmpty(r)).sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && range.start <= last.end + gap) last.end = Math.max(last.end, range.end);
    else merged.push({ start: range.start, end: range.end });
  }
  return merged;
}

/** The parts of `range` that no member of `taken` covers, in order. */
export function subtractRanges(range: ByteRange, taken: readonly ByteRange[]): ByteRange[] {
  const rest: ByteRange[] = [];
  let start = range.start;
  for (const hole of mergeRanges(taken)) {
    if (hole.end <= start) continue;
    if (hole.start >= range.end) break;
    if (hole.start > start) rest.push({ start, end: hole.start });
    start = Math.max(start, hole.end);
  }
  if (start < range.end) rest.push({ start, end: range.end });
  return rest;
}

/** `range` cut into pieces of at most `bytes`, on multiples of `bytes` counted from `range.start`. */
export function splitRange(range: ByteRange, bytes: number): ByteRange[] {
  const parts: ByteRange[] = [];
  for (let start = range.start; start < range.end; start += bytes)
    parts.push({ start, end: Math.min(range.end, start + bytes) });
  return parts;
}
