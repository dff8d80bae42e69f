import { open, realpath, stat, type FileHandle } from "node:fs/promises";
import { isAbsolute, join, relative } from "node:path";
import { digestAlgorithm, digestHex, type Digest } from "../bytes/digest.ts";
import { clip, rangeLength, type ByteRange } from "../bytes/range.ts";
import { checkRange, type ByteSink, type ReadOptions, type StreamingSource } from "../bytes/source.ts";
import { abortError, RiffleError } from "../errors.ts";

/** What one read takes from a file at most: the read path's largest part. */
const PIECE_BYTES = 8 * 1024 * 1024;

/** Where a layout keeps a blob (image-spec v1.1 image-layout.md, "Blobs"). A digest is hex, so the path stays inside. */
export function layoutBlobPath(directory: string, digest: Digest): string {
  return join(directory, "blobs", digestAlgorithm(digest), digestHex(digest));
}

/** Throws `verification` for a blob that a symbolic link leads out of the layout. */
export function checkInside(directory: string, file: string, digest: Digest): void {
  const inside = relative(directory, file);
  if (!inside.startsWith("..") && !isAbsolute(inside)) return;
  throw new RiffleError("verification", `blob ${digest} is a link that leads out of its layout`, { facts: { digest } });
}

export function missingBlob(directory: string, digest: Digest, cause: unknown): RiffleError {
  return new RiffleError("not-found", `the layout ${directory} has no blob ${digest}`, { facts: { digest }, cause });
}

export function checkBlobSize(actual: number, expected: number, digest: Digest): void {
  if (actual === expected) return;
  throw new RiffleError("verification", `blob ${digest} has ${actual} bytes, not ${expected}`, {
    facts: { digest, expected, actual },
  });
}

async function openBlob(
  directory: string,
  blob: { readonly digest: Digest; readonly size: number },
): Promise<FileHandle> {
  const { digest, size } = blob;
  const path = layoutBlobPath(directory, digest);
  try {
    const real = await realpath(path);
    checkInside(await realpath(directory), real, digest);
    // Opening a FIFO or a device could wait or worse: only what is a file is opened.
    const facts = await stat(real);
    if (!facts.isFile()) throw new RiffleError("verification", `blob ${digest} is not a file`);
    checkBlobSize(facts.size, size, digest);
    return await open(real, "r");
  } catch (error) {
    if (error instanceof RiffleError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES") throw new RiffleError("permission", `blob ${digest} may not be read`, { cause: error });
    throw missingBlob(directory, digest, error);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** A blob of a layout directory, read from its file; each read opens it anew, so that thousands of blobs cost nothing. */
export function layoutBlob(
  directory: string,
  blob: { readonly digest: Digest; readonly size: number },
): StreamingSource {
  const { digest, size } = blob;
  const stream = async (range: ByteRange, sink: ByteSink, options?: ReadOptions): Promise<void> => {
    checkRange(range);
    const wanted = clip(range, size);
    const signal = options?.signal;
    throwIfAborted(signal);
    if (rangeLength(wanted) === 0) return;
    const file = await openBlob(directory, blob);
    try {
      for (let at = wanted.start; at < wanted.end;) {
        throwIfAborted(signal);
        const piece = new Uint8Array(Math.min(PIECE_BYTES, wanted.end - at));
        const { bytesRead } = await file.read(piece, 0, piece.length, at);
        if (bytesRead === 0) throw new RiffleError("verification", `blob ${digest} became shorter while it was read`);
        await sink(at, piece.subarray(0, bytesRead));
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  };
  const read = async (range: ByteRange, options?: ReadOptions): Promise<Uint8Array> => {
    checkRange(range);
    const wanted = clip(range, size);
    const bytes = new Uint8Array(rangeLength(wanted));
    await stream(wanted, (offset, piece) => bytes.set(piece, offset - wanted.start), options);
    return bytes;
  };
  return {
    id: digest,
    size,
    read,
    stream,
    readMany: async (ranges, options) => {
      const parts: Uint8Array[] = [];
      for (const range of ranges) parts.push(await read(range, options));
      return parts;
    },
  };
}
