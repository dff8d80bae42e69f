import type { ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { ArrayBlock, ArrayInfo, ArrayQuery, ArrayReader } from "../array.ts";
import { readPlan } from "../read-plan.ts";
import { elementCount } from "../element-type.ts";
import { chooseArray } from "../flat-array.ts";
import type { Fact, FormatOptions, ReadPlan } from "../format.ts";
import { ahead } from "../read-ahead.ts";
import { parseSlice, slicedShape } from "../slice.ts";
import { boxElements, boxOf, type Box } from "../strided.ts";
import { decodeChunk } from "./chunk.ts";
import { copyElements, filledElements, type Elements } from "./elements.ts";
import { cellCount, cellsOf, splitAlongChunks, type GridCell } from "./grid.ts";
import type { Hierarchy, ZarrNode } from "./hierarchy.ts";
import type { ZarrArray } from "./metadata.ts";
import type { ZarrStore } from "./store.ts";
import { checkStoredBytes, locateUnits, unitLayout, type Unit, type UnitLayout, type UnitSearch } from "./units.ts";

/** Chunks that are fetched together, and the elements of a block: some times these are the memory of a scan. */
const GROUP_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;
const TEXT_BYTES = 64;
/** More are no plan but a walk through the whole array. */
const MAX_PLAN_CHUNKS = 1_000_000;

export interface ZarrReading {
  readonly store: ZarrStore;
  readonly hierarchy: Hierarchy;
  /** What else was read to know where things are: the directory of an archive. */
  readonly indexBytes: number;
  readonly options: FormatOptions;
}

interface Located {
  readonly array: ZarrArray;
  readonly layout: UnitLayout;
  readonly box: Box;
  readonly shape: readonly number[];
  readonly itemBytes: number;
  readonly search: UnitSearch;
}

/** Arrays of a hierarchy. Chunks that a block needs are fetched together, those of the next block while one is used. */
export function zarrReader(reading: ZarrReading): ArrayReader {
  const { hierarchy, options } = reading;
  const nodes = hierarchy.nodes.map((node) => ({ node, info: arrayInfo(node) }));
  const searches = new Map<string, UnitSearch & { readonly bytes: () => number }>();
  let closed = false;
  const locate = (query: ArrayQuery): Located & { readonly indexBytes: () => number } => {
    if (closed) throw new RiffleError("closed", "the Zarr reader was closed");
    const { node } = chooseArray(nodes, query.name === undefined ? query : { ...query, name: trimSlashes(query.name) });
    const { path, array } = node;
    if (typeof array === "function") throw array();
    const search = searches.get(path) ?? unitSearch(reading.store, { path, array });
    searches.set(path, search);
    const slices = parseSlice(query.slice, { name: path, shape: array.shape });
    const itemBytes = array.type.kind === "fixed" ? array.type.type.itemBytes : TEXT_BYTES;
    const indexBytes = (): number => reading.indexBytes + hierarchy.indexBytes + search.bytes();
    return {
      array,
      layout: search.layout,
      box: boxOf(slices),
      shape: slicedShape(slices),
      itemBytes,
      search,
      indexBytes,
    };
  };
  const close = async (): Promise<void> => {
    closed = true;
  };
  return {
    metadata: { format: "zarr", arrays: nodes.map(({ info }) => info) },
    extents: () => [],
    plan: async (query, how) => planSlice(locate(query), { ...options, ...how }),
    scan: (query, how) => scanSlice(() => locate(query), { ...options, ...how }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function trimSlashes(name: string): string {
  return name.replace(/^\/+|\/+$/g, "");
}

function unitSearch(
  store: ZarrStore,
  { path, array }: { readonly path: string; readonly array: ZarrArray },
): UnitSearch & { readonly bytes: () => number } {
  let bytes = 0;
  const onIndex = (count: number): void => {
    bytes += count;
  };
  return { store, path, array, layout: unitLayout(array), indexes: new Map(), onIndex, bytes: () => bytes };
}

function arrayInfo({ path, array }: ZarrNode): ArrayInfo {
  if (typeof array === "function") return { name: path, shape: [], dtype: "unknown" };
  const { shape, type, attributes, dimensionNames } = array;
  // What was parsed from JSON is made of nothing but facts.
  const facts = attributes as { readonly [name: string]: Fact };
  return {
    name: path,
    shape,
    dtype: type.kind === "fixed" ? type.type.dtype : type.kind === "text" ? "|O" : "bytes",
    chunks: unitLayout(array).chunks,
    attributes: dimensionNames === undefined ? facts : { ...facts, _ARRAY_DIMENSIONS: dimensionNames },
  };
}

async function planSlice(
  { array, layout, box, search, indexBytes }: Located & { readonly indexBytes: () => number },
  options: FormatOptions,
): Promise<ReadPlan> {
  const touched = cellCount(box, layout.chunks);
  if (touched > MAX_PLAN_CHUNKS) {
    throw new RiffleError("usage", `the slice touches ${touched} chunks, more than a plan holds: ${MAX_PLAN_CHUNKS}`);
  }
  const units = await locateUnits([...cellsOf(box, layout.chunks)], search, options);
  const places = units.map(({ part }) => search.store.place(part));
  const byFile = new Map<string, { range: (typeof places)[number]["range"]; purpose: string }[]>();
  for (const [i, { file, range }] of places.entries()) {
    const row = { range, purpose: units[i]?.part.key ?? "" };
    const rows = byFile.get(file);
    if (rows === undefined) byFile.set(file, [row]);
    else rows.push(row);
  }
  const total =
    elementCount(array.shape.map((length, axis) => Math.ceil(length / (layout.chunks[axis] ?? 1)))) ?? Infinity;
  const plans = [...byFile.values()].map((ranges) => readPlan({ ranges, indexBytes: 0, pruned: [] }, options));
  const sum = (of: (plan: ReadPlan) => number): number => plans.reduce((all, plan) => all + of(plan), 0);
  return {
    ranges: plans.flatMap(({ ranges }) => ranges),
    bytesNeeded: indexBytes() + sum((plan) => plan.bytesNeeded),
    bytesFetched: indexBytes() + sum((plan) => plan.bytesFetched),
    requests: sum((plan) => plan.requests),
    pruned: [{ what: "chunks", total, kept: units.length }],
  };
}

/** Some chunks of one block. */
interface Job {
  readonly box: Box;
  readonly cells: readonly GridCell[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function* jobsOf({ box, layout, itemBytes }: Located, maxBytes: number): Generator<Job> {
  const limits = { touched: GROUP_BYTES / itemBytes, elements: maxBytes / 4 / itemBytes };
  const perGroup = Math.max(
    1,
    Math.floor(limits.touched / layout.chunks.reduce((product, length) => product * length, 1)),
  );
  for (const part of splitAlongChunks(box, { chunks: layout.chunks, limits })) {
    let cells: GridCell[] = [];
    let isFirst = true;
    for (const cell of cellsOf(part, layout.chunks)) {
      if (cells.length === perGroup) {
        yield { box: part, cells, isFirst, isLast: false };
        cells = [];
        isFirst = false;
      }
      cells.push(cell);
    }
    yield { box: part, cells, isFirst, isLast: true };
  }
}

interface Fetched {
  readonly job: Job;
  readonly units: readonly Unit[];
  readonly pieces: readonly Uint8Array[];
}

async function* scanSlice(locate: () => Located, options: FormatOptions & ReadOptions): AsyncGenerator<ArrayBlock> {
  const located = locate();
  const { array, layout, shape, itemBytes, search } = located;
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const unitBytes = layout.chunks.reduce((product, length) => product * length, itemBytes);
  const read = async (job: Job, signal: AbortSignal): Promise<Fetched> => {
    const how = { priority: "demand" as const, ...options, signal };
    const units = await locateUnits(job.cells, search, how);
    for (const { part } of units) {
      const bytes = part.range === undefined ? (search.store.size(part.key) ?? 0) : part.range.end - part.range.start;
      checkStoredBytes(bytes, array.type.kind === "fixed" ? unitBytes * 2 + 65_536 : maxBytes / 4);
    }
    const parts = units.map(({ part }) => part);
    return { job, units, pieces: parts.length === 0 ? [] : await search.store.read(parts, how) };
  };
  let block: Elements | undefined;
  let offset = 0;
  for await (const { job, units, pieces } of ahead(jobsOf(located, maxBytes), { read, ...options })) {
    const counts = job.box.map(({ count }) => count);
    const target = block !== undefined && !job.isFirst ? block : filledElements(counts, array.fill);
    block = target;
    for (const [i, { cell }] of units.entries()) {
      const elements = await decodeChunk(pieces[i] ?? new Uint8Array(), {
        pipeline: layout.pipeline,
        target: { shape: layout.chunks, fill: array.fill, maxBytes },
      });
      copyElements(elements, { to: target, axes: cell.axes });
    }
    if (!job.isLast) continue;
    yield blockOf(target, { shape, array, offset });
    offset += boxElements(job.box);
  }
}

function blockOf(
  { data, texts }: Elements,
  { shape, array, offset }: { readonly shape: readonly number[]; readonly array: ZarrArray; readonly offset: number },
): ArrayBlock {
  if (array.type.kind === "fixed") return { shape, dtype: array.type.type.dtype, offset, data };
  return {
    shape,
    dtype: array.type.kind === "text" ? "|O" : "bytes",
    offset,
    data: new Uint8Array(),
    strings: texts ?? [],
  };
}
