import { constants, inflateRawSync } from "node:zlib";
import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { isRiffleError, RiffleError } from "../../errors.ts";
import type { ArrayReader } from "../array.ts";
import { extentTable, type ExtentTable } from "../extents.ts";
import { flatArrayReader, type FlatArray } from "../flat-array.ts";
import { fetchedSource } from "../fetched-source.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { checkRatio, inflatedSource } from "../inflated-source.ts";
import { readZipDirectory, type ZipDirectory, type ZipMember } from "../zip/directory.ts";
import { checkReadable, memberRanges } from "../zip/member.ts";
import { npyHeaderBytes, parseNpyHeader, type NpyArray } from "./header.ts";
import { npyFlatArray } from "./module.ts";

/** Holds the header of all but large structured types, and what it is compressed to. */
const HEADER_GUESS_BYTES = 1024;
/** A local header without its name, with the fields that writers add (NumPy itself one of 20 bytes). */
const LOCAL_GUESS_BYTES = 30 + 64;
const DEFLATED = 8;
/** Their headers are all read when the file is opened. */
const MAX_ARRAYS = 100_000;

interface Member {
  readonly name: string;
  readonly member: ZipMember;
  readonly range: ByteRange;
  readonly npy: NpyArray | (() => RiffleError);
}

interface Npz {
  readonly members: readonly Member[];
  readonly directory: ZipDirectory;
  readonly indexBytes: number;
}

/**
 * The directory, then the beginning of all arrays with their local headers: two round trips, three where a header is
 * long. A member that cannot be read is an error only when it is read.
 */
async function readNpz(source: RangeSource, options: FormatOptions): Promise<Npz> {
  const directory = await readZipDirectory(source, options);
  // Of two members with one name the last counts, as for Python's zipfile.
  const named = new Map(directory.members.filter(({ path }) => path.endsWith(".npy")).map((one) => [one.path, one]));
  if (named.size > MAX_ARRAYS) throw new RiffleError("unsupported", `the .npz file has more than ${MAX_ARRAYS} arrays`);
  const members = [...named.values()];
  const how = { priority: "metadata" as const, ...options };
  const guesses = members.map(({ headerOffset, path, compressedBytes }) => ({
    start: Math.min(headerOffset, source.size),
    end: Math.min(
      source.size,
      headerOffset + LOCAL_GUESS_BYTES + path.length + Math.min(compressedBytes, HEADER_GUESS_BYTES),
    ),
  }));
  const starts = await source.readMany(guesses, how);
  const near = fetchedSource(
    source,
    guesses.map(({ start }, i) => ({ start, bytes: starts[i] ?? new Uint8Array() })),
  );
  const ranges = await memberRanges(near, members, options);
  const heads = await near.readMany(
    ranges.map(({ start, end }) => ({ start, end: Math.min(end, start + HEADER_GUESS_BYTES) })),
    how,
  );
  const arrays: Member[] = [];
  for (const [i, member] of members.entries()) {
    const range = ranges[i] ?? { start: 0, end: 0 };
    const name = member.path.slice(0, -".npy".length);
    const npy = await readHeader({ member, range, head: heads[i] ?? new Uint8Array() }, { source, options });
    arrays.push({ name, member, range, npy });
  }
  const read = starts.reduce((sum, start) => sum + start.length, 0);
  return { members: arrays, directory, indexBytes: source.size - directory.start + read };
}

async function readHeader(
  { member, range, head }: { readonly member: ZipMember; readonly range: ByteRange; readonly head: Uint8Array },
  { source, options }: { readonly source: RangeSource; readonly options: FormatOptions },
): Promise<Member["npy"]> {
  try {
    checkReadable(member);
    const isDeflated = member.method === DEFLATED;
    const content = isDeflated ? inflateStart(head) : head;
    const { size } = member;
    if (isDeflated) checkRatio(deflated({ member, range }, source));
    else if (size !== rangeLength(range)) {
      throw new RiffleError(
        "malformed",
        `${JSON.stringify(member.path)} is stored, but not with the length it declares`,
      );
    }
    const length = npyHeaderBytes(content, size);
    const whole = length <= content.length ? content : await readStart({ member, range, length }, { source, options });
    return parseNpyHeader(whole.subarray(0, length), size);
  } catch (error) {
    if (isRiffleError(error) && ["malformed", "unsupported"].includes(error.code)) return () => error;
    throw error;
  }
}

/** What the first compressed bytes inflate to: at most 1032 times as much. */
function inflateStart(head: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw new RiffleError("malformed", "a compressed array does not inflate", { cause });
  }
}

async function readStart(
  { member, range, length }: { readonly member: ZipMember; readonly range: ByteRange; readonly length: number },
  { source, options }: { readonly source: RangeSource; readonly options: FormatOptions },
): Promise<Uint8Array> {
  if (member.method !== DEFLATED) return source.read({ start: range.start, end: range.start + length }, options);
  const ending = new AbortController();
  try {
    const how = { ...options, signal: ending.signal };
    return await inflatedSource(deflated({ member, range }, source)).read({ start: 0, end: length }, how);
  } finally {
    ending.abort();
  }
}

function deflated(
  { member, range }: { readonly member: ZipMember; readonly range: ByteRange },
  source: RangeSource,
): Parameters<typeof inflatedSource>[0] {
  return { source, range, size: member.size, crc32: member.crc32, what: JSON.stringify(member.path) };
}

function flatArray({ name, member, range, npy }: Member, source: RangeSource): FlatArray {
  if (typeof npy === "function") {
    const layout = { offset: 0, shape: [], order: "C" as const, itemBytes: 1 };
    return { info: { name, shape: [], dtype: "unknown" }, type: npy, layout };
  }
  if (member.method !== DEFLATED) return npyFlatArray(npy, { name, offset: range.start });
  return {
    ...npyFlatArray(npy, { name, offset: 0 }),
    source: () => inflatedSource(deflated({ member, range }, source)),
    encoded: [range],
  };
}

async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const { members, directory } = await readNpz(source, options);
  const isDeflated = members.some(({ member }) => member.method === DEFLATED);
  const others = directory.members.length - members.length;
  const unreadable = members.flatMap(({ name, npy }) => {
    const why = typeof npy === "function" ? npy : npy.type;
    return typeof why === "function" ? [`${JSON.stringify(name)} cannot be read: ${why().message}`] : [];
  });
  return {
    format: "npz",
    title: "NumPy arrays in a zip archive",
    facts: {
      arrays: members.map(({ name, member, npy }) => ({
        name,
        ...(typeof npy !== "function" && { descr: npy.descr, shape: npy.shape, fortranOrder: npy.order === "F" }),
        bytes: member.size,
        compressedBytes: member.compressedBytes,
      })),
      otherMembers: others,
    },
    notes: [
      ...(isDeflated ? ["compressed arrays can only be read from their beginning on"] : []),
      ...unreadable.slice(0, 20),
    ],
  };
}

async function array(source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> {
  const { members, directory, indexBytes } = await readNpz(source, options);
  return flatArrayReader({
    format: "npz",
    source,
    arrays: members.map((member) => flatArray(member, source)),
    indexBytes,
    extents: memberExtents(directory, source.size),
    options,
  });
}

async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  return memberExtents(await readZipDirectory(source, options), source.size);
}

/** Each array with the local header before it. */
function memberExtents({ members, start }: ZipDirectory, size: number): ExtentTable {
  const offsets = members.map(({ headerOffset }) => headerOffset).sort((a, b) => a - b);
  return extentTable(
    offsets.map((offset, at) => ({ start: offset, end: offsets[at + 1] ?? start, series: 0 })),
    size,
  );
}

export const npz: FormatModule = { info, extents, array };
