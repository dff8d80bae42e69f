import type { ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { GridCell } from "./grid.ts";
import type { ZarrArray } from "./metadata.ts";
import type { Pipeline, ShardLayout } from "./pipeline.ts";
import { indexRange, readIndex, type ShardIndex } from "./shard-index.ts";
import type { StorePart, ZarrStore } from "./store.ts";

/** How an array is read: in chunks, or in the chunks of its shards where these can be entered. */
export interface UnitLayout {
  readonly chunks: readonly number[];
  readonly pipeline: Pipeline;
  readonly shard?: ShardLayout;
}

/** A cell of the grid and where it is stored. */
export interface Unit {
  readonly cell: GridCell;
  readonly part: StorePart;
}

/** Decoded indexes of shards, by key. */
export type ShardIndexes = Map<string, ShardIndex>;

/** Beyond, the oldest are forgotten, and read again when they are needed. */
const KEPT_INDEX_BYTES = 64 * 1024 * 1024;

/** Shards behind another codec or a transposition are read as one. */
export function unitLayout({ pipeline, chunks }: ZarrArray): UnitLayout {
  const { serializer, decoders, transposes } = pipeline;
  const isEntered = serializer.kind === "shard" && decoders.length === 0 && transposes.length === 0;
  if (!isEntered) return { chunks, pipeline };
  return { chunks: serializer.shard.chunks, pipeline: serializer.shard.pipeline, shard: serializer.shard };
}

export interface UnitSearch {
  readonly store: ZarrStore;
  readonly path: string;
  readonly array: ZarrArray;
  readonly layout: UnitLayout;
  readonly indexes: ShardIndexes;
  /** Told of each index that is read. */
  readonly onIndex: (bytes: number) => void;
}

/** The stored ones of some cells: reads the indexes of the shards that they lie in, together. */
export async function locateUnits(
  cells: readonly GridCell[],
  search: UnitSearch,
  options: ReadOptions,
): Promise<readonly Unit[]> {
  const { store, path, array, layout } = search;
  const prefix = path === "" ? "" : `${path}/`;
  const { shard } = layout;
  if (shard === undefined) {
    return cells
      .map((cell) => ({ cell, part: { key: prefix + array.chunkKey(cell.chunk) } }))
      .filter(({ part }) => store.size(part.key) !== undefined);
  }
  const placed = cells.map((cell) => {
    const outer = cell.chunk.map((at, axis) => Math.floor(at / (shard.counts[axis] ?? 1)));
    return { cell, key: prefix + array.chunkKey(outer), number: innerNumber(cell.chunk, shard.counts) };
  });
  const stored = placed.filter(({ key }) => store.size(key) !== undefined);
  const found = await readIndexes([...new Set(stored.map(({ key }) => key))], { search, shard, options });
  return stored.flatMap(({ cell, key, number }) => {
    const range = found.get(key)?.(number);
    return range === undefined ? [] : [{ cell, part: { key, range } }];
  });
}

/** Within its shard, in C order. */
function innerNumber(chunk: readonly number[], counts: readonly number[]): number {
  return chunk.reduce((number, at, axis) => number * (counts[axis] ?? 1) + (at % (counts[axis] ?? 1)), 0);
}

async function readIndexes(
  keys: readonly string[],
  {
    search,
    shard,
    options,
  }: { readonly search: UnitSearch; readonly shard: ShardLayout; readonly options: ReadOptions },
): Promise<ReadonlyMap<string, ShardIndex>> {
  const { store, indexes } = search;
  const missing = keys.filter((key) => !indexes.has(key));
  const parts = missing.map((key) => ({ key, range: indexRange(shard, store.size(key) ?? 0) }));
  const found = parts.length === 0 ? [] : await store.read(parts, { ...options, priority: "metadata" });
  const all = new Map(
    keys.flatMap((key) => [[key, indexes.get(key)] as const]).filter((pair) => pair[1] !== undefined),
  ) as Map<string, ShardIndex>;
  for (const [i, key] of missing.entries()) {
    const index = await readIndex(found[i] ?? new Uint8Array(), { layout: shard, size: store.size(key) ?? 0 });
    all.set(key, index);
    indexes.set(key, index);
    search.onIndex(shard.indexBytes);
  }
  const [oldest] = indexes.keys();
  for (const key of indexes.keys()) {
    if (indexes.size * shard.indexBytes <= KEPT_INDEX_BYTES || oldest === undefined) break;
    indexes.delete(key);
  }
  return all;
}

/** A stored chunk that is far larger than its elements is no chunk of theirs. */
export function checkStoredBytes(bytes: number, limit: number): void {
  if (bytes > limit)
    throw new RiffleError(
      "malformed",
      `a stored Zarr chunk has ${bytes} bytes, more than the ${limit} that it may have`,
    );
}
