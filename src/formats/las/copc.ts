import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { uint64, viewOf } from "../binary.ts";
import type { FormatOptions } from "../format.ts";
import type { LasFile } from "./header.ts";

/** COPC specification 1.0, "info VLR" and "Hierarchy VLR". */
const INFO_ID = 1;
const INFO_BYTES = 160;
const ENTRY_BYTES = 32;
/** A million nodes. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024;

export interface CopcInfo {
  readonly center: readonly number[];
  readonly halfSize: number;
  readonly spacing: number;
  readonly rootPage: ByteRange;
}

export interface CopcNode {
  readonly level: number;
  readonly start: number;
  readonly bytes: number;
  /** -1: not points but another page of the hierarchy. */
  readonly points: number;
}

/** Undefined for a LAS or LAZ file that is no COPC. Throws `malformed` when the record contradicts the file. */
export async function readCopcInfo({ header, pieces }: LasFile, size: number): Promise<CopcInfo | undefined> {
  const record = header.records[0];
  if (record?.user !== "copc" || record.id !== INFO_ID) return undefined;
  const bytes = await pieces.read(record.payload);
  if (bytes.length < INFO_BYTES)
    throw new RiffleError("malformed", "the COPC file is broken: its info record is cut short");
  const view = viewOf(bytes);
  const start = uint64(view, 40, true);
  const end = start + uint64(view, 48, true);
  if (!(end <= size))
    throw new RiffleError("malformed", "the COPC file is broken: its hierarchy would end behind its end");
  return {
    center: [0, 8, 16].map((at) => view.getFloat64(at, true)),
    halfSize: view.getFloat64(24, true),
    spacing: view.getFloat64(32, true),
    rootPage: { start, end },
  };
}

/** The root page of the hierarchy, one request. Pages below it are not read. Rejects where it is longer than `maxBytes`. */
export async function readRootPage(
  source: RangeSource,
  { rootPage }: CopcInfo,
  options: FormatOptions = {},
): Promise<readonly CopcNode[]> {
  const bytes = rootPage.end - rootPage.start;
  const limit = Math.min(options.maxBytes ?? MAX_PAGE_BYTES, MAX_PAGE_BYTES);
  if (bytes > limit) {
    throw new RiffleError("unsupported", `the root of the COPC hierarchy has ${bytes} bytes`, {
      facts: { bytes, limit },
    });
  }
  const page = viewOf(await source.read(rootPage, { priority: "metadata", ...options }));
  return Array.from({ length: Math.floor(bytes / ENTRY_BYTES) }, (_, row) => {
    const at = row * ENTRY_BYTES;
    return {
      level: page.getInt32(at, true),
      start: uint64(page, at + 16, true),
      bytes: page.getInt32(at + 24, true),
      points: page.getInt32(at + 28, true),
    };
  });
}
