import { splitRange, type ByteRange } from "../bytes/range.ts";
import { withOneListener } from "../bytes/one-listener.ts";
import { checkRange, type RangeSource, type ReadOptions } from "../bytes/source.ts";
import type { Row } from "../layers/tree.ts";
import type { Served } from "./served.ts";

/** One file of an artifact: a RangeSource, with its path and the digest of the layer that holds it. */
export interface ArtifactFile extends RangeSource {
  readonly path: string;
  readonly digest: string;
  /** The file from `range.start` on, in pieces of up to 1 MiB; read ahead of the reader. */
  stream(range?: ByteRange, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** All of the file, or a part of it. */
  bytes(range?: ByteRange, options?: ReadOptions): Promise<Uint8Array>;
}

export interface FileParts {
  readonly served: Served;
  readonly row: Row;
  readonly path: string;
  readonly digest: string;
  readonly size: number;
  /** A new number for each stream of reads. */
  readonly nextHandle: () => number;
}

/** The kernel's largest request: what a mount's readers get at once. */
const PIECE_BYTES = 1024 * 1024;

export function artifactFile(parts: FileParts): ArtifactFile {
  const { served, row, path, digest, size, nextHandle } = parts;
  const ownHandle = nextHandle();
  const read = (range: ByteRange, handle: number, options: ReadOptions | undefined): Promise<Uint8Array> => {
    checkRange(range);
    return served.read(row, range, { handle, ...(options?.signal === undefined ? {} : { signal: options.signal }) });
  };
  async function* stream(
    range: ByteRange = { start: 0, end: size },
    options?: ReadOptions,
  ): AsyncGenerator<Uint8Array> {
    const handle = nextHandle();
    served.open(row, handle);
    try {
      for (const piece of splitRange(range, PIECE_BYTES)) yield await read(piece, handle, options);
    } finally {
      served.release(row, handle);
    }
  }
  return {
    id: `${digest}/${path}`,
    size,
    path,
    digest,
    read: (range, options) => read(range, ownHandle, options),
    readMany: (ranges, options) =>
      withOneListener(options, (how) => Promise.all(ranges.map((range) => read(range, ownHandle, how)))),
    stream,
    bytes: (range = { start: 0, end: size }, options) => read(range, nextHandle(), options),
  };
}
