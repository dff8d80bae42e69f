/** Names in one arena: name `i` is `bytes[start[i], start[i] + length[i])`. */
export interface NameArena {
  readonly bytes: Uint8Array;
  readonly start: Uint32Array;
  readonly length: Uint8Array;
}

/** Below this many names, insertion sort beats clearing and summing 257 buckets. */
const SMALL = 48;

/** As `memcmp` orders them, the shorter first where one is the other's beginning. Looks from byte `depth` on. */
export function compareNames(arena: NameArena, a: number, b: number, depth = 0): number {
  const { bytes, start, length } = arena;
  const aStart = start[a] ?? 0;
  const bStart = start[b] ?? 0;
  const aLength = length[a] ?? 0;
  const bLength = length[b] ?? 0;
  const shared = Math.min(aLength, bLength);
  for (let i = depth; i < shared; i += 1) {
    const difference = (bytes[aStart + i] ?? 0) - (bytes[bStart + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/**
 * Sorts `order[from, to)`, which holds name numbers, by name bytes; equal names keep their order. A radix sort from the
 * first byte on: its work is bounded by the bytes of the names, whatever they are.
 */
export function sortByName(
  order: Uint32Array,
  arena: NameArena,
  range: { readonly from: number; readonly to: number },
): void {
  if (isSorted(order, arena, range)) return;
  const spare = new Uint32Array(range.to - range.from);
  radix(order, arena, { from: range.from, to: range.to, depth: 0, spare });
}

function isSorted(
  order: Uint32Array,
  arena: NameArena,
  range: { readonly from: number; readonly to: number },
): boolean {
  for (let i = range.from + 1; i < range.to; i += 1) {
    if (compareNames(arena, order[i - 1] ?? 0, order[i] ?? 0) > 0) return false;
  }
  return true;
}

interface Pass {
  readonly from: number;
  readonly to: number;
  readonly depth: number;
  readonly spare: Uint32Array;
}

/** Recurses at most once per byte of a name (255). */
function radix(order: Uint32Array, arena: NameArena, pass: Pass): void {
  const { from, to, depth, spare } = pass;
  if (to - from <= SMALL) {
    insertionSort(order, arena, pass);
    return;
  }
  const { bytes, start, length } = arena;
  // Bucket 0 holds the names that end here, bucket b + 1 those whose next byte is b.
  const bucketOf = (name: number): number =>
    depth < (length[name] ?? 0) ? (bytes[(start[name] ?? 0) + depth] ?? 0) + 1 : 0;
  const ends = new Uint32Array(258);
  for (let i = from; i < to; i += 1) {
    const bucket = bucketOf(order[i] ?? 0) + 1;
    ends[bucket] = (ends[bucket] ?? 0) + 1;
  }
  for (let b = 1; b < 258; b += 1) ends[b] = (ends[b] ?? 0) + (ends[b - 1] ?? 0);
  for (let i = from; i < to; i += 1) {
    const name = order[i] ?? 0;
    const bucket = bucketOf(name);
    const at = ends[bucket] ?? 0;
    spare[at] = name;
    ends[bucket] = at + 1;
  }
  order.set(spare.subarray(0, to - from), from);
  for (let b = 1; b < 257; b += 1) {
    const low = from + (ends[b - 1] ?? 0);
    const high = from + (ends[b] ?? 0);
    if (high - low > 1) radix(order, arena, { from: low, to: high, depth: depth + 1, spare });
  }
}

function insertionSort(order: Uint32Array, arena: NameArena, pass: Pass): void {
  for (let i = pass.from + 1; i < pass.to; i += 1) {
    const name = order[i] ?? 0;
    let at = i;
    while (at > pass.from && compareNames(arena, order[at - 1] ?? 0, name, pass.depth) > 0) {
      order[at] = order[at - 1] ?? 0;
      at -= 1;
    }
    order[at] = name;
  }
}
