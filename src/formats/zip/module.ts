import type { RangeSource } from "../../bytes/source.ts";
import { isRiffleError } from "../../errors.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readZipDirectory, type ZipMember } from "./directory.ts";
import { methodName } from "./member.ts";

/** More are counted, not listed. */
const SHOWN_MEMBERS = 50;

function memberFact({ path, size, compressedBytes, method, isEncrypted }: ZipMember): Fact {
  return { path, size, compressedBytes, method: methodName(method), ...(isEncrypted && { encrypted: true }) };
}

async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const { members, isZip64, commentBytes } = await readZipDirectory(source, options);
  const methods = new Map<string, number>();
  for (const { method } of members) methods.set(methodName(method), (methods.get(methodName(method)) ?? 0) + 1);
  const isDeflated = members.some(({ method, size }) => method !== 0 && size > 0);
  const sum = (of: (member: ZipMember) => number): number => members.reduce((total, member) => total + of(member), 0);
  return {
    format: "zip",
    title: "zip archive",
    facts: {
      members: members.length,
      contentBytes: sum(({ size }) => size),
      compressedBytes: sum(({ compressedBytes }) => compressedBytes),
      methods: Object.fromEntries(methods),
      zip64: isZip64,
      ...(commentBytes > 0 && { commentBytes }),
      entries: members.slice(0, SHOWN_MEMBERS).map(memberFact),
    },
    notes: [
      ...(isDeflated ? ["compressed members can only be read from their beginning on"] : []),
      ...(members.some((member) => member.isEncrypted) ? ["encrypted members cannot be read"] : []),
      ...(members.length > SHOWN_MEMBERS ? [`the first ${SHOWN_MEMBERS} of ${members.length} members are shown`] : []),
    ],
  };
}

/** For the mount: some 100,000 members. A longer directory is not fetched for it. */
const EXTENT_DIRECTORY_BYTES = 8 * 1024 * 1024;

/**
 * A member with its local header, up to where the next one begins: a local header's length is not in the directory, and
 * reading them all would cost a request each.
 */
async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  const limit = Math.min(options.maxBytes ?? EXTENT_DIRECTORY_BYTES, EXTENT_DIRECTORY_BYTES);
  const directory = await readZipDirectory(source, { ...options, maxBytes: limit }).catch((error: unknown) => {
    if (isRiffleError(error) && error.code === "unsupported") return undefined;
    throw error;
  });
  if (directory === undefined) return NO_EXTENTS;
  const { members, start } = directory;
  const sorted = members.map(({ headerOffset }) => headerOffset).toSorted((a, b) => a - b);
  const units = sorted.map((offset, at): Extent => ({ start: offset, end: sorted[at + 1] ?? start, series: 0 }));
  return extentTable(units, source.size);
}

export const zip: FormatModule = { info, extents };
