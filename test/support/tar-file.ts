import { checkRange, type RangeSource } from "../../src/bytes/source.ts";
import { clip, type ByteRange } from "../../src/bytes/range.ts";

const BLOCK_BYTES = 512;
const END_BYTES = 1024;

/** One member as a test wants it; what is absent is as of a small file of root's. */
export interface TarPart {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly content?: Uint8Array;
  /** What the header claims, where that is not the content's length. */
  readonly size?: number;
  readonly mode?: number;
  readonly mtime?: number;
}

/** A ustar header block with a checksum that holds. */
export function tarHeader({
  name,
  type = "0",
  link = "",
  content,
  size,
  mode = 0o644,
  mtime = 7,
}: TarPart): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  };
  block.write(name, 0, 100);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size ?? content?.length ?? 0, 124, 11);
  octal(mtime, 136, 11);
  block.write(type, 156, "latin1");
  block.write(link, 157, 100);
  block.write("ustar\u000000", 257, "latin1");
  return withChecksum(block);
}

/** The same block with its checksum made to hold. */
export function withChecksum(block: Uint8Array): Uint8Array {
  const sealed = Buffer.from(block);
  sealed.fill(" ", 148, 156);
  const sum = sealed.reduce((total, byte) => total + byte, 0);
  sealed.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return sealed;
}

export function tarPart(part: TarPart): Uint8Array {
  const content = part.content ?? new Uint8Array(0);
  return Buffer.concat([tarHeader(part), content, new Uint8Array(-content.length & (BLOCK_BYTES - 1))]);
}

export function tarFile(...parts: readonly (TarPart | Uint8Array)[]): Uint8Array {
  const bytes = parts.map((part) => (part instanceof Uint8Array ? part : tarPart(part)));
  return Buffer.concat([...bytes, new Uint8Array(END_BYTES)]);
}

/** An extended header of these records. */
export function paxPart(records: Readonly<Record<string, string | number>>, type = "x"): Uint8Array {
  const text = Object.entries(records).map(([key, value]) => paxRecord(key, String(value)));
  return tarPart({ name: "PaxHeaders/x", type, content: Buffer.concat(text) });
}

export function paxRecord(key: string, value: string): Uint8Array {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** A source that makes a tar archive by offset, and keeps a list of what was asked of it. */
export interface VirtualTar extends RangeSource {
  readonly asked: readonly ByteRange[];
  readonly bytesAsked: number;
}

/** Members `0` to `n - 1` of these sizes, each with an extended header where `isPax`; their content is zeros. */
export function virtualTar(sizes: readonly number[], options: { readonly isPax?: boolean } = {}): VirtualTar {
  const headers = sizes.map((size, at) => {
    const header = tarHeader({ name: `file-${at}`, size });
    return options.isPax === true ? Buffer.concat([paxPart({ mtime: "1.25" }), header]) : header;
  });
  let end = 0;
  const starts = headers.map((header, at) => {
    const start = end;
    end += header.length + Math.ceil((sizes[at] ?? 0) / BLOCK_BYTES) * BLOCK_BYTES;
    return start;
  });
  const size = end + END_BYTES;
  const asked: ByteRange[] = [];
  const read = async (range: ByteRange): Promise<Uint8Array> => {
    checkRange(range);
    const { start, end: stop } = clip(range, size);
    asked.push({ start, end: stop });
    const bytes = Buffer.alloc(stop - start);
    headers.forEach((header, at) => {
      const place = starts[at] ?? 0;
      if (place < stop && place + header.length > start) {
        const from = Math.max(start, place);
        bytes.set(header.subarray(from - place, Math.min(header.length, stop - place)), from - start);
      }
    });
    return Promise.resolve(new Uint8Array(bytes));
  };
  return {
    id: "virtual",
    size,
    asked,
    get bytesAsked(): number {
      return asked.reduce((sum, range) => sum + range.end - range.start, 0);
    },
    read,
    readMany: (ranges) => Promise.all(ranges.map((range) => read(range))),
  };
}
