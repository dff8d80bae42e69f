import { promisify } from "node:util";
import { crc32, inflateRaw } from "node:zlib";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { FormatOptions } from "../format.ts";
import type { ZipMember } from "./directory.ts";

const inflate = promisify(inflateRaw);

/** APPNOTE.TXT 4.3.7. */
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const MAX_MEMBER_BYTES = 1024 * 1024 * 1024;

const METHOD_NAMES: Readonly<Record<number, string>> = {
  0: "stored",
  1: "shrink",
  6: "implode",
  8: "deflate",
  9: "deflate64",
  12: "bzip2",
  14: "LZMA",
  93: "zstd",
  95: "xz",
  97: "WavPack",
  98: "PPMd",
  99: "AES encryption",
};

/** For people. */
export function methodName(method: number): string {
  return METHOD_NAMES[method] ?? `method ${method}`;
}

/**
 * Where the bytes of members lie, compressed or not: known only from their local headers, which are read together. In the
 * order given. Rejects with `malformed` where there is no local header, or the bytes would not end within the file.
 */
export async function memberRanges(
  source: RangeSource,
  members: readonly ZipMember[],
  options: FormatOptions = {},
): Promise<readonly ByteRange[]> {
  for (const { path, headerOffset } of members) {
    if (headerOffset + LOCAL_BYTES > source.size) {
      throw new RiffleError("malformed", `"${path}" of the zip archive would begin behind the end of the file`);
    }
  }
  const headers = await source.readMany(
    members.map(({ headerOffset }) => ({ start: headerOffset, end: headerOffset + LOCAL_BYTES })),
    { priority: "metadata", ...options },
  );
  return members.map(({ path, headerOffset, compressedBytes }, at) => {
    const view = viewOf(headers[at] ?? new Uint8Array(LOCAL_BYTES));
    if (view.getUint32(0, true) !== LOCAL_SIGNATURE) {
      throw new RiffleError("malformed", `"${path}" of the zip archive has no local header where the directory says`);
    }
    const start = headerOffset + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
    if (start + compressedBytes > source.size) {
      throw new RiffleError("malformed", `"${path}" of the zip archive would end behind the end of the file`);
    }
    return { start, end: start + compressedBytes };
  });
}

/** Throws `unsupported`, naming what it is, for what only another tool can unpack. */
export function checkReadable({ path, method, isEncrypted }: ZipMember): void {
  if (isEncrypted) throw new RiffleError("unsupported", `"${path}" of the zip archive is encrypted`);
  if (method !== STORED && method !== DEFLATED) {
    throw new RiffleError("unsupported", `"${path}" of the zip archive is compressed with ${methodName(method)}`);
  }
}

/**
 * The content of one member, in two round trips, whole and checked by length and checksum: never cut short in silence.
 * `options.maxBytes` (default 1 GiB) bounds it; what inflates past its declared size stops there. Rejects with
 * `malformed` or `unsupported`.
 */
export async function readMember(
  source: RangeSource,
  member: ZipMember,
  options: FormatOptions = {},
): Promise<Uint8Array> {
  const { path, size, compressedBytes, method } = member;
  checkReadable(member);
  const limit = options.maxBytes ?? MAX_MEMBER_BYTES;
  if (Math.max(size, compressedBytes) > limit) {
    throw new RiffleError("unsupported", `"${path}" of the zip archive is too large: ${size} bytes`, {
      facts: { size, limit },
    });
  }
  const [range] = await memberRanges(source, [member], options);
  if (range === undefined) throw new RiffleError("internal", "a member without a range");
  const stored = await source.read(range, options);
  const content = method === STORED ? stored : await inflated(stored, member);
  if (content.length !== size || crc32(content) !== member.crc32) {
    throw new RiffleError(
      "malformed",
      `"${path}" of the zip archive does not have the length and checksum it declares`,
    );
  }
  return content;
}

async function inflated(stored: Uint8Array, { path, size }: ZipMember): Promise<Uint8Array> {
  try {
    // One byte more shows that there is more.
    const { buffer, byteOffset, length } = await inflate(stored, { maxOutputLength: size + 1 });
    return new Uint8Array(buffer, byteOffset, length);
  } catch (cause) {
    throw new RiffleError("malformed", `"${path}" of the zip archive does not inflate to what it declares`, { cause });
  }
}
