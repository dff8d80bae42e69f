import { mergeRanges, rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { ArrayBlock, ArrayInfo, ArrayQuery, ArrayReader } from "../array.ts";
import { readPlan } from "../read-plan.ts";
import { NO_EXTENTS } from "../extents.ts";
import { chooseArray, flatArrayReader } from "../flat-array.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import { parseSlice, slicedShape } from "../slice.ts";
import { boxElements, boxOf, boxRanges, gatherBox, type Box, type Layout } from "../strided.ts";
import { cellCount, cellsOf, splitAlongChunks } from "../zarr/grid.ts";
import type { Answers, Hdf5Dataset, Piece } from "./protocol.ts";
import type { Hdf5Worker } from "./worker-client.ts";

export interface Hdf5Reading {
  readonly source: RangeSource;
  readonly worker: Hdf5Worker;
  readonly opened: Answers["open"];
  readonly indexBytes: number;
  readonly options: FormatOptions;
}

/** Of the chunks that one part of a scan touches, and of its elements. */
const PART_BYTES = 32 * 1024 * 1024;
const ELEMENT_BYTES = 64 * 1024 * 1024;
/** The library keeps one decoded, and a second while it undoes filters. */
const MAX_CHUNK_BYTES = 256 * 1024 * 1024;
const TEXT_BYTES = 64;
const MAX_PLAN_CHUNKS = 1_000_000;

interface Located {
  readonly dataset: Hdf5Dataset;
  /** Of the dataset's own axes. */
  readonly box: Box;
  /** Of the axes within an element. */
  readonly inner: Box;
  readonly innerShape: readonly number[];
  readonly shape: readonly number[];
  readonly itemBytes: number;
  readonly dtype: string;
  readonly chunks: readonly number[];
}

export function hdf5ArrayInfo({ path, shape, chunks, type }: Hdf5Dataset): ArrayInfo {
  const inner = type.kind === "fixed" ? type.inner : [];
  const dtype = type.kind === "fixed" ? type.type.dtype : type.kind === "text" ? "|O" : "unknown";
  return {
    name: path,
    shape: [...shape, ...inner],
    dtype,
    ...(chunks !== undefined && { chunks: [...chunks, ...inner] }),
  };
}

/**
 * Datasets of an HDF5 file. Elements in one piece are read by range; chunks are fetched together where their index is of a
 * kind that is looked into, and decoded by the library in its thread.
 */
export function hdf5Reader(reading: Hdf5Reading): ArrayReader {
  const { worker, opened, source, indexBytes, options } = reading;
  const named = opened.datasets.map((dataset) => ({ dataset, info: hdf5ArrayInfo(dataset) }));
  const flat = flatArrayReader({
    format: "hdf5",
    source,
    arrays: opened.datasets.flatMap(flatDataset),
    indexBytes,
    extents: NO_EXTENTS,
    options,
  });
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    await worker.close();
  };
  const choose = (query: ArrayQuery): { readonly dataset: Hdf5Dataset; readonly query: ArrayQuery } => {
    if (closed) throw new RiffleError("closed", "the HDF5 reader was closed");
    const trimmed = query.name === undefined ? query : { ...query, name: query.name.replace(/^\/+/, "") };
    const { dataset } = chooseArray(named, trimmed);
    if (dataset.type.kind === "unsupported") {
      throw new RiffleError("unsupported", `the HDF5 dataset ${dataset.path} cannot be read: ${dataset.type.why}`);
    }
    return { dataset, query: { ...trimmed, name: dataset.path } };
  };
  return {
    metadata: { format: "hdf5", arrays: named.map(({ info }) => info) },
    extents: () => [],
    plan: async (given, how) => {
      const { dataset, query } = choose(given);
      if (dataset.contiguous !== undefined) return flat.plan(query, how);
      return planSlice(locate(dataset, query), { ...reading, options: { ...options, ...how } });
    },
    scan: async function* (given, how) {
      const { dataset, query } = choose(given);
      if (dataset.contiguous !== undefined) yield* flat.scan(query, how);
      else yield* scanSlice(locate(dataset, query), { ...reading, options: { ...options, ...how } });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function flatDataset(dataset: Hdf5Dataset): Parameters<typeof flatArrayReader>[0]["arrays"] {
  const { contiguous, type } = dataset;
  if (contiguous === undefined || type.kind !== "fixed") return [];
  const info = hdf5ArrayInfo(dataset);
  const { itemBytes } = type.type;
  return [{ info, type: type.type, layout: { offset: contiguous.start, shape: info.shape, order: "C", itemBytes } }];
}

function locate(dataset: Hdf5Dataset, query: ArrayQuery): Located {
  const { type, shape } = dataset;
  const info = hdf5ArrayInfo(dataset);
  const slices = parseSlice(query.slice, info);
  const box = boxOf(slices);
  const innerShape = type.kind === "fixed" ? type.inner : [];
  const one = type.kind === "fixed" ? type.type.itemBytes : TEXT_BYTES;
  const itemBytes = innerShape.reduce((product, length) => product * length, one);
  const chunks = dataset.chunks ?? wholeRows(shape, itemBytes);
  if (chunks.reduce((product, length) => product * length, itemBytes) > MAX_CHUNK_BYTES) {
    throw new RiffleError(
      "unsupported",
      `the HDF5 dataset ${dataset.path} has chunks of [${chunks.join(", ")}], too large to decode`,
    );
  }
  if (type.kind === "fixed" && type.type.swapped.length > 0 && type.type.dtype.startsWith("|V")) {
    throw new RiffleError(
      "unsupported",
      `the HDF5 dataset ${dataset.path} has chunks of structures with big-endian members`,
    );
  }
  return {
    dataset,
    box: box.slice(0, shape.length),
    inner: box.slice(shape.length),
    innerShape,
    shape: slicedShape(slices),
    itemBytes,
    dtype: info.dtype,
    chunks,
  };
}

/** What is not chunked is read in rows of the slowest axes. */
function wholeRows(shape: readonly number[], itemBytes: number): readonly number[] {
  let bytes = itemBytes;
  return shape
    .toReversed()
    .map((length) => {
      const taken = Math.max(1, Math.min(length, Math.floor(PART_BYTES / bytes)));
      bytes *= taken;
      return taken;
    })
    .toReversed();
}

/** Undefined where there are no chunks, or their index is of a kind that is not looked into. */
async function chunkRanges(
  { dataset, chunks }: Located,
  { box, reading }: { readonly box: Box; readonly reading: Hdf5Reading },
): Promise<readonly ByteRange[] | undefined> {
  if (dataset.chunks === undefined || dataset.type.kind !== "fixed") return undefined;
  const cells = [...cellsOf(box, chunks)].map(({ chunk }) => chunk);
  const found = await reading.worker.run({ kind: "chunks", path: dataset.path, cells }, reading.options);
  return found?.filter((range) => range !== null);
}

/** Where the ranges of chunks are not known the plan has none, and counts each chunk as one request and not compressed. */
async function planSlice(located: Located, reading: Hdf5Reading): Promise<ReadPlan> {
  const { box, chunks, dataset, itemBytes } = located;
  const touched = cellCount(box, chunks);
  if (touched > MAX_PLAN_CHUNKS) {
    throw new RiffleError("usage", `the slice touches ${touched} chunks, more than a plan holds: ${MAX_PLAN_CHUNKS}`);
  }
  const found = await chunkRanges(located, { box, reading });
  const whole = dataset.shape.map((length) => ({ start: 0, step: 1, count: length }));
  const pruned =
    dataset.chunks === undefined ? [] : [{ what: "chunks", total: cellCount(whole, chunks), kept: touched }];
  const indexBytes = Math.max(reading.indexBytes, reading.worker.fetchedBytes());
  const ranges = (found ?? []).map((range) => ({ range, purpose: dataset.path }));
  const plan = readPlan({ ranges, indexBytes, pruned }, reading.options);
  if (found !== undefined) return plan;
  const taken =
    dataset.chunks === undefined ? boxElements(box) : touched * chunks.reduce((product, length) => product * length, 1);
  const bytes = Math.min(reading.source.size, indexBytes + taken * itemBytes);
  return { ...plan, bytesNeeded: bytes, bytesFetched: bytes, requests: dataset.chunks === undefined ? 1 : touched };
}

async function* scanSlice(located: Located, reading: Hdf5Reading): AsyncGenerator<ArrayBlock> {
  const { dataset, box, inner, shape, itemBytes, dtype, chunks } = located;
  const limits = { touched: PART_BYTES / itemBytes, elements: ELEMENT_BYTES / itemBytes };
  const innerElements = boxElements(inner);
  let offset = 0;
  for (const part of splitAlongChunks(box, { chunks, limits })) {
    const count = boxElements(part) * innerElements;
    if (count === 0) {
      const empty = { shape, dtype, offset, data: new Uint8Array() };
      yield dataset.type.kind === "text" ? { ...empty, strings: [] } : empty;
      continue;
    }
    const selection = {
      start: part.map((axis) => axis.start),
      step: part.map((axis) => axis.step),
      count: part.map((axis) => axis.count),
    };
    const pieces = await fetchPieces((await chunkRanges(located, { box: part, reading })) ?? [], reading);
    const found = await reading.worker.run({ kind: "read", path: dataset.path, selection, pieces }, reading.options);
    if ("strings" in found) yield { shape, dtype, offset, data: new Uint8Array(), strings: found.strings };
    else yield { shape, dtype, offset, data: pickInner(found.data, located, boxElements(part)) };
    offset += count;
  }
}

/** More than one part may hold is left to the library, chunk by chunk. */
async function fetchPieces(ranges: readonly ByteRange[], { source, options }: Hdf5Reading): Promise<readonly Piece[]> {
  const merged = mergeRanges(ranges);
  if (merged.reduce((sum, range) => sum + rangeLength(range), 0) > PART_BYTES * 2) return [];
  const found = await source.readMany(merged, { priority: "demand", ...options });
  return merged.map(({ start }, i) => ({ start, bytes: found[i] ?? new Uint8Array() }));
}

/** What a slice takes of the axes within elements. The library gave them in little-endian order, whatever is stored. */
function pickInner(data: Uint8Array, { dataset, inner, innerShape }: Located, count: number): Uint8Array {
  const { type } = dataset;
  if (type.kind !== "fixed") return data;
  if (inner.length === 0) return data;
  const layout: Layout = { offset: 0, shape: [count, ...innerShape], order: "C", itemBytes: type.type.itemBytes };
  const box = [{ start: 0, step: 1, count }, ...inner];
  const pieces = boxRanges(box, { layout, gap: 0 }).map(({ start, end }) => data.subarray(start, end));
  return gatherBox(box, { layout, gap: 0, pieces });
}
