import { PAGE_BYTES } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import type { ArrayBlock, ArrayInfo, ArrayQuery, ArrayReader } from "./array.ts";
import { toLittleEndian, type ElementType } from "./element-type.ts";
import { extentRanges, type ExtentTable } from "./extents.ts";
import type { FormatName, FormatOptions, ReadPlan } from "./format.ts";
import { ahead } from "./read-ahead.ts";
import { readPlan } from "./read-plan.ts";
import { parseSlice, slicedShape } from "./slice.ts";
import { boxCost, boxElements, boxOf, boxRanges, gatherBox, splitBox, type Box, type Layout } from "./strided.ts";

/** Elements less than this apart are one range: the cache holds pages, so bytes in between would come anyway. */
const JOIN_GAP_BYTES = PAGE_BYTES;

/** An array whose elements lie in one piece. */
export interface FlatArray {
  readonly info: ArrayInfo;
  readonly layout: Layout;
  /** Or why its elements cannot be read. */
  readonly type: ElementType | (() => RiffleError);
  /** Where the layout counts from the start of something else than the file: decoded content. */
  readonly source?: (options: ReadOptions) => RangeSource;
  /** What decoding reads of the file, for any slice. */
  readonly encoded?: readonly { readonly start: number; readonly end: number }[];
}

export interface FlatArrays {
  readonly format: FormatName;
  readonly source: RangeSource;
  readonly arrays: readonly FlatArray[];
  /** What reading the index took. */
  readonly indexBytes: number;
  readonly extents: ExtentTable;
  readonly options: FormatOptions;
}

/** Two of these, and what they are decoded from, are the memory of a scan. */
const BLOCK_BYTES = 32 * 1024 * 1024;
const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;
const BLOCK_RANGES = 65_536;
const MAX_PLAN_RANGES = 100_000;

/** The reader of files whose arrays are not chunked. One `readMany` for each block, the next block being read ahead. */
export function flatArrayReader(flat: FlatArrays): ArrayReader {
  let closed = false;
  const locate = (query: ArrayQuery): Located => {
    if (closed) throw new RiffleError("closed", `the ${flat.format} reader was closed`);
    return locateSlice(flat, query);
  };
  return {
    metadata: { format: flat.format, arrays: flat.arrays.map(({ info }) => info) },
    extents: () => extentRanges(flat.extents),
    plan: async (query) => planSlice(locate(query), flat),
    scan: (query, options) => scanSlice(() => locate(query), { flat, options: { ...flat.options, ...options } }),
    close: async () => {
      closed = true;
    },
    [Symbol.asyncDispose]: async () => {
      closed = true;
    },
  };
}

/** The array that a query names; `usage` tells what there is. */
export function chooseArray<T extends { readonly info: ArrayInfo }>(arrays: readonly T[], query: ArrayQuery): T {
  const [first, second] = arrays;
  if (query.name === undefined && first !== undefined && second === undefined) return first;
  const named = arrays.find(({ info }) => info.name === query.name);
  if (named !== undefined) return named;
  const shown = arrays.slice(0, 20).map(({ info }) => JSON.stringify(info.name));
  const names = arrays.length > 20 ? `${shown.join(", ")} and ${arrays.length - 20} more` : shown.join(", ");
  const there = arrays.length === 0 ? "the file holds no array" : `there is ${names}`;
  const asked = query.name === undefined ? "name one of the arrays" : `no array ${JSON.stringify(query.name)}`;
  throw new RiffleError("usage", `${asked}: ${there}`);
}

interface Located {
  readonly array: FlatArray;
  readonly type: ElementType;
  readonly box: Box;
  readonly shape: readonly number[];
  readonly gap: number;
}

function locateSlice(flat: FlatArrays, query: ArrayQuery): Located {
  const array = chooseArray(flat.arrays, query);
  const { type } = array;
  if (typeof type === "function") throw type();
  const slices = parseSlice(query.slice, array.info);
  const box = boxOf(slices);
  let gap = JOIN_GAP_BYTES;
  // A slice across very many places is read with the gaps: a list of them would not end.
  while (boxCost(box, { layout: array.layout, gap }).ranges > MAX_PLAN_RANGES) gap *= 4;
  return { array, type, box, shape: slicedShape(slices), gap };
}

function planSlice({ array, box, gap }: Located, { indexBytes, options }: FlatArrays): ReadPlan {
  const found = boxElements(box) === 0 ? [] : (array.encoded ?? boxRanges(box, { layout: array.layout, gap }));
  const ranges = found.map((range) => ({ range, purpose: array.info.name === "" ? "elements" : array.info.name }));
  return readPlan({ ranges, indexBytes, pruned: [] }, options);
}

async function* scanSlice(
  locate: () => Located,
  { flat, options }: { readonly flat: FlatArrays; readonly options: FormatOptions },
): AsyncGenerator<ArrayBlock> {
  const { array, type, box, shape, gap } = locate();
  const { layout } = array;
  const source = array.source?.(options) ?? flat.source;
  // What cannot be entered in the middle is gathered in large blocks, as each begins anew: two of them and their results.
  const isShuffled = array.source !== undefined && layout.order === "F";
  const bytes = isShuffled ? Math.max(BLOCK_BYTES, (options.maxBytes ?? DEFAULT_MAX_BYTES) / 4) : BLOCK_BYTES;
  const limits = { bytes, ranges: BLOCK_RANGES };
  const boxes = splitBox(box, { layout, gap, limits });
  let offset = 0;
  const read = async (part: Box, signal: AbortSignal): Promise<{ part: Box; pieces: readonly Uint8Array[] }> => {
    const how = { priority: "demand" as const, ...options, signal };
    return { part, pieces: await source.readMany(boxRanges(part, { layout, gap }), how) };
  };
  for await (const { part, pieces } of ahead(boxes, { read, ...options })) {
    const data = toLittleEndian(gatherBox(part, { layout, gap, pieces }), type);
    yield { shape, dtype: type.dtype, offset, data };
    offset += boxElements(part);
  }
}
