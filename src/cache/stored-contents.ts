import { constants, promises as fsp } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { crc32 } from "node:zlib";
import { isDigest } from "../bytes/digest.ts";
import { surveyUnits } from "./budget.ts";
import type { Proof } from "./cache.ts";
import { trustedRoot } from "./directory-status.ts";
import { decodeRecords, type ExtentRecord, type LogRecord } from "./extent-log.ts";
import { PAGE_BYTES } from "../bytes/range.ts";
import { bytesOf, pageCount, PageMap } from "./page-map.ts";
import { trashUnit } from "./unit-files.ts";

/** One content as it lies on disk, whoever put it there. */
export interface StoredContent {
  /** A digest, or a digest with a decoding after it. */
  readonly id: string;
  readonly size: number;
  /** Bytes that the log vouches for. */
  readonly heldBytes: number;
  /** Allocated, the bookkeeping too. */
  readonly diskBytes: number;
  readonly proof: Proof;
  readonly usedAtMs: number;
  /** The content's directory, or those of its segments. */
  readonly units: readonly string[];
}

/** A log beyond this was not written by us. */
const LOG_BYTES_MAX = 256 * 1024 * 1024;

interface UnitLog {
  readonly size: number;
  readonly records: readonly LogRecord[];
}

/** Every content in a cache directory, oldest use first; what is damaged or vanishes meanwhile is left out. */
export async function storedContents(directory: string): Promise<readonly StoredContent[]> {
  const root = trustedRoot(directory);
  if (root === undefined) return [];
  const contents = new Map<string, StoredContent>();
  for (const unit of await surveyUnits(root)) {
    const id = idOf(root, unit.directory);
    const log = await readLog(unit.directory);
    if (id === undefined || log === undefined) continue;
    const facts = { ...factsOf(log), diskBytes: unit.bytes, usedAtMs: unit.usedAtMs, units: [unit.directory] };
    const key = `${id.id} ${id.size ?? log.size}`;
    const known = contents.get(key);
    const size = id.size ?? log.size;
    contents.set(key, known === undefined ? { id: id.id, size, ...facts } : joined(known, { ...known, ...facts }));
  }
  return [...contents.values()].sort((a, b) => a.usedAtMs - b.usedAtMs);
}

/** Two segments of one content. */
function joined(a: StoredContent, b: StoredContent): StoredContent {
  const proof =
    a.proof === b.proof ? a.proof : a.proof === "transport" || b.proof === "transport" ? "transport" : "chunk";
  return {
    ...a,
    proof,
    heldBytes: a.heldBytes + b.heldBytes,
    diskBytes: a.diskBytes + b.diskBytes,
    usedAtMs: Math.max(a.usedAtMs, b.usedAtMs),
    units: [...a.units, ...b.units],
  };
}

/**
 * Compares what the logs of a content vouch for with the bytes that are there; a unit that differs is removed. Resolves to the
 * bytes that were right, and to whether all were. `onBytes` hears of bytes as they are read.
 */
export async function checkStored(
  content: StoredContent,
  options: { readonly root: string; readonly signal?: AbortSignal; readonly onBytes?: (bytes: number) => void },
): Promise<{ readonly bytes: number; readonly sound: boolean }> {
  let bytes = 0;
  let sound = true;
  for (const unit of content.units) {
    const right = await checkUnit(unit, options);
    if (right === undefined) {
      sound = false;
      await trashUnit({ directory: unit, trash: join(options.root, "trash") });
    } else bytes += right;
  }
  return { bytes, sound };
}

/** The bytes that have the checksums of their records; undefined when any has not. */
async function checkUnit(
  directory: string,
  options: { readonly signal?: AbortSignal; readonly onBytes?: (bytes: number) => void },
): Promise<number | undefined> {
  const log = await readLog(directory);
  const file = await openFile(join(directory, "data"));
  if (file === undefined || log === undefined) return undefined;
  try {
    let bytes = 0;
    for (const record of log.records) {
      options.signal?.throwIfAborted();
      if (record.kind !== "extent") continue;
      const range = bytesOf(pagesOf(record), log.size);
      const target = Buffer.allocUnsafe(Math.max(0, range.end - range.start));
      const { bytesRead } = await file.read(target, 0, target.length, range.start);
      if (bytesRead !== target.length || crc32(target) !== record.crc) return undefined;
      bytes += target.length;
      options.onBytes?.(target.length);
    }
    return bytes;
  } finally {
    await file.close();
  }
}

function pagesOf(record: ExtentRecord): { readonly start: number; readonly end: number } {
  return { start: record.first, end: record.first + record.pages };
}

function factsOf({ size, records }: UnitLog): Pick<StoredContent, "heldBytes" | "proof"> {
  const pages = pageCount(size);
  const held = new PageMap(pages);
  const verified = new PageMap(pages);
  let whole = false;
  for (const record of records) {
    if (record.kind === "whole") whole = true;
    if (record.kind !== "extent" || record.first + record.pages > pages) continue;
    held.set(record.first, record.first + record.pages);
    if (record.verified) verified.set(record.first, record.first + record.pages);
  }
  const full = whole && held.isFull;
  const proof = full ? "full" : held.count > 0 && verified.count === held.count ? "chunk" : "transport";
  return { heldBytes: Math.min(size, held.count * PAGE_BYTES), proof };
}

async function readLog(directory: string): Promise<UnitLog | undefined> {
  const file = await openFile(join(directory, "extents"));
  if (file === undefined) return undefined;
  try {
    if ((await file.stat()).size > LOG_BYTES_MAX) return undefined;
    const { records } = decodeRecords(await file.readFile());
    const [head, ...rest] = records;
    return head?.kind === "head" ? { size: head.size, records: rest } : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** Never through a symbolic link. */
function openFile(path: string): Promise<fsp.FileHandle | undefined> {
  return fsp.open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined);
}

/** `blobs/ALGORITHM/HH/HEX[+DECODING]`, or a numbered segment below `HEX~SIZE-by-BYTES`. */
function idOf(root: string, directory: string): { readonly id: string; readonly size?: number } | undefined {
  const isSegment = /^\d+$/.test(basename(directory)) && basename(dirname(directory)).includes("-by-");
  const content = isSegment ? dirname(directory) : directory;
  const [, algorithm = "", , name = ""] = relative(root, content).split(sep);
  const parts = /^([0-9a-f]+)([^~]*)(?:~(\d+)-by-\d+)?$/.exec(name);
  const [, hex = "", decoding = "", size] = parts ?? [];
  if (!isDigest(`${algorithm}:${hex}`)) return undefined;
  const id = `${algorithm}:${hex}${decodeURIComponent(decoding)}`;
  return size === undefined ? { id } : { id, size: Number(size) };
}
