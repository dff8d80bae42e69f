import type { FormatName, FormatReader } from "./format.ts";

export interface TileAddress {
  readonly z: number;
  readonly x: number;
  readonly y: number;
}

/** One tile as it is stored. */
export interface StoredTile {
  readonly bytes: Uint8Array;
  /** `none`, `gzip`, `brotli`, `zstd` or `unknown`: what the bytes are compressed with. */
  readonly encoding: string;
  /** `mvt`, `png`, `jpeg`, `webp`, `avif`, `mlt` or `unknown`. */
  readonly type: string;
}

export interface TileMetadata {
  readonly format: FormatName;
}

export interface TileQuery {
  readonly tile: TileAddress;
}

/** Tiles of an archive of them. `scan` gives the one tile, or rejects with `not-found`. */
export type TileReader = FormatReader<TileMetadata, TileQuery, StoredTile>;
