import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, viewOf } from "../binary.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { startsWith } from "../magic.ts";

/**
 * DuckDB's own storage (duckdb: src/include/duckdb/storage/storage_info.hpp, MainHeader and DatabaseHeader): three pages of
 * 4 KiB, of which the last two are database headers that are written in turn, then blocks.
 */
const PAGE_BYTES = 4096;
const HEADERS_BYTES = 3 * PAGE_BYTES;
const MAGIC_AT = 8;
const VERSION_AT = 12;
const FLAGS_AT = 20;
const LIBRARY_AT = 52;
const LIBRARY_BYTES = 32;
const ENCRYPTED_FLAG = 1n;

/** Before version 1.2 a block had this size and the header did not say so. */
const DEFAULT_BLOCK_BYTES = 256 * 1024;
const MIN_BLOCK_BYTES = 16 * 1024;
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
/** 244 GiB of blocks of the usual size: a larger file is read without extents. */
const MAX_BLOCKS = 1_000_000;
const NO_BLOCK = 0xffff_ffff_ffff_ffffn;

interface DuckdbHeader {
  readonly storageVersion: string;
  readonly library: string;
  readonly isEncrypted: boolean;
  readonly blockBytes: number;
  /** In use or free, as the newer header counts them. */
  readonly blocks: number;
  readonly isEmpty: boolean;
}

interface DatabaseHeader {
  readonly iteration: bigint;
  readonly metaBlock: bigint;
  readonly blocks: bigint;
  readonly blockBytes: bigint;
}

function databaseHeader(bytes: Uint8Array, at: number): DatabaseHeader {
  const field = (row: number): bigint => viewOf(bytes).getBigUint64(at + row * 8, true);
  return { iteration: field(1), metaBlock: field(2), blocks: field(4), blockBytes: field(5) };
}

/** One request of three pages. */
async function readHeader(source: RangeSource, options: FormatOptions = {}): Promise<DuckdbHeader> {
  const bytes = await source.read({ start: 0, end: HEADERS_BYTES }, { priority: "metadata", ...options });
  if (!startsWith(bytes, "DUCK", MAGIC_AT))
    throw new RiffleError("malformed", "not a DuckDB database: its magic is missing");
  if (bytes.length < HEADERS_BYTES)
    throw new RiffleError("malformed", "the DuckDB database is cut short in its headers");
  const view = viewOf(bytes);
  const [first, second] = [databaseHeader(bytes, PAGE_BYTES), databaseHeader(bytes, 2 * PAGE_BYTES)];
  const current = second.iteration > first.iteration ? second : first;
  const blockBytes = current.blockBytes === 0n ? DEFAULT_BLOCK_BYTES : Number(current.blockBytes);
  const isPower = Number.isInteger(Math.log2(blockBytes));
  if (!isPower || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES) {
    throw new RiffleError("malformed", `the DuckDB database is broken: blocks of ${blockBytes} bytes`);
  }
  return {
    storageVersion: String(view.getBigUint64(VERSION_AT, true)),
    library: latin1(bytes, LIBRARY_AT, LIBRARY_AT + LIBRARY_BYTES).replace(/\0.*$/s, ""),
    isEncrypted: (view.getBigUint64(FLAGS_AT, true) & ENCRYPTED_FLAG) !== 0n,
    blockBytes,
    blocks: Number(current.blocks),
    isEmpty: current.metaBlock === NO_BLOCK,
  };
}

async function info(source: RangeSource, options?: FormatOptions): Promise<FileInfo> {
  const header = await readHeader(source, options);
  return {
    format: "duckdb",
    title: "DuckDB database",
    facts: {
      storageVersion: header.storageVersion,
      ...(header.library !== "" && { writtenBy: header.library }),
      blockBytes: header.blockBytes,
      blocks: header.blocks,
      encrypted: header.isEncrypted,
    },
    notes: [
      ...(header.isEmpty ? ["it has no tables"] : []),
      ...(HEADERS_BYTES + header.blocks * header.blockBytes > source.size
        ? ["cut short: blocks would end behind the end of the file"]
        : []),
    ],
  };
}

/** The blocks: DuckDB reads each as one. */
async function extents(source: RangeSource, options?: FormatOptions): Promise<ExtentTable> {
  const { blockBytes } = await readHeader(source, options);
  const count = Math.floor((source.size - HEADERS_BYTES) / blockBytes);
  if (count > MAX_BLOCKS) return NO_EXTENTS;
  const units = Array.from({ length: count }, (_, block): Extent => {
    const start = HEADERS_BYTES + block * blockBytes;
    return { start, end: start + blockBytes, series: 0 };
  });
  return extentTable(units, source.size);
}

export const duckdb: FormatModule = { info, extents };
