import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { fetchedSource } from "../fetched-source.ts";
import type { FormatOptions } from "../format.ts";
import { readZipDirectory, type ZipMember } from "../zip/directory.ts";
import { memberRanges, readMember } from "../zip/member.ts";
import { rootOf, type StorePart, type ZarrStore } from "./store.ts";

const STORED = 0;
/** A local header has a name and fields of 64 KiB each at most; what is farther behind is no part of the member. */
const MAX_LOCAL_BYTES = 4096;
const DEFAULT_VALUE_BYTES = 256 * 1024 * 1024;

interface Entry {
  readonly member: ZipMember;
  /** From its local header to whatever comes next. */
  readonly range: ByteRange;
}

/** One zip archive: values that are stored are read by range, compressed ones whole. */
export async function zipStore(
  source: RangeSource,
  options: FormatOptions,
): Promise<ZarrStore & { readonly indexBytes: number }> {
  const directory = await readZipDirectory(source, options);
  const root = rootOf(directory.members.map(({ path }) => path));
  const entries = entriesOf(directory, { root, size: source.size });
  const dataRanges = new Map<string, Promise<ByteRange>>();
  const entryOf = (key: string): Entry => {
    const entry = entries.get(key);
    if (entry === undefined)
      throw new RiffleError("not-found", `the Zarr archive has no member ${JSON.stringify(root + key)}`);
    return entry;
  };
  const dataRange = (key: string, how: ReadOptions): Promise<ByteRange> => {
    const known = dataRanges.get(key);
    if (known !== undefined) return known;
    const found = memberRanges(source, [entryOf(key).member], how).then(([range]) => range ?? { start: 0, end: 0 });
    dataRanges.set(key, found);
    found.catch(() => dataRanges.delete(key));
    return found;
  };
  const limit = { maxBytes: Math.min(options.maxBytes ?? DEFAULT_VALUE_BYTES, DEFAULT_VALUE_BYTES) };
  const readWhole = async (key: string, bytes: Uint8Array): Promise<Uint8Array> => {
    const { member, range } = entryOf(key);
    const fetched = fetchedSource(source, [{ start: range.start, bytes }]);
    return readMember(fetched, member, limit);
  };
  return {
    keys: [...entries.keys()],
    indexBytes: source.size - directory.start,
    size: (key) => entries.get(key)?.member.size,
    place: (part) => ({ file: "", range: placeOf(entryOf(part.key), part) }),
    read: async (parts, how) => {
      const isWhole = ({ key, range }: StorePart): boolean =>
        range === undefined || entryOf(key).member.method !== STORED;
      const ranges = await Promise.all(
        parts.map(async (part) => {
          if (isWhole(part) || part.range === undefined) return entryOf(part.key).range;
          const data = await dataRange(part.key, how);
          return { start: data.start + part.range.start, end: data.start + part.range.end };
        }),
      );
      const pieces = await source.readMany(ranges, how);
      return Promise.all(
        parts.map(async (part, i) => {
          const piece = pieces[i] ?? new Uint8Array();
          if (!isWhole(part)) return piece;
          const value = await readWhole(part.key, piece);
          return part.range === undefined ? value : value.subarray(part.range.start, part.range.end);
        }),
      );
    },
  };
}

function entriesOf(
  { members, start }: { readonly members: readonly ZipMember[]; readonly start: number },
  { root, size }: { readonly root: string; readonly size: number },
): ReadonlyMap<string, Entry> {
  const starts = members.map(({ headerOffset }) => headerOffset).sort((a, b) => a - b);
  const following = new Map(starts.map((at, i) => [at, starts[i + 1] ?? start]));
  const entries = new Map<string, Entry>();
  for (const member of members) {
    if (!member.path.startsWith(root) || member.path.endsWith("/")) continue;
    const { headerOffset, compressedBytes, path } = member;
    const most = headerOffset + MAX_LOCAL_BYTES + Buffer.byteLength(path) + compressedBytes;
    const end = Math.min(size, most, Math.max(headerOffset, following.get(headerOffset) ?? start));
    entries.set(path.slice(root.length), { member, range: { start: headerOffset, end } });
  }
  return entries;
}

/** For a part of a stored value: near enough, as its local header was not read yet. */
function placeOf({ member, range }: Entry, part: StorePart): ByteRange {
  if (part.range === undefined || member.method !== STORED) return range;
  const start = range.end - member.compressedBytes;
  return { start: start + part.range.start, end: start + part.range.end };
}
