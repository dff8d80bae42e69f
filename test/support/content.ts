import { createHash, randomUUID } from "node:crypto";
import { createReadStream, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../../src/bytes/digest.ts";
import { clip, type ByteRange } from "../../src/bytes/range.ts";

/** What a blob of a test consists of. Plain data: it crosses process borders as JSON (`bytes` apart). */
export type Content =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "noise"; readonly seed: number; readonly size: number };

const NOISE_PAGE_BYTES = 4096;
const NOISE_POOL_PAGES = 256;
/** Part of the name of a remembered digest: raise it when `noise` changes. */
const NOISE_VERSION = 1;
const STEP_BYTES = 1 << 20;

/** xorshift32; good enough that deflate finds nothing to squeeze. */
function fillNoise(words: Uint32Array, seed: number): void {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let i = 0; i < words.length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
}

/** A slice of the endless stream that belongs to one seed. */
export type NoiseStream = (range: ByteRange) => Uint8Array<ArrayBuffer>;

/**
 * Deterministic bytes: any slice of the stream of `seed` can be had without what is before it, at the speed of a copy.
 * Every 4 KiB page starts with its own number (64 bit, little endian), so no page equals another and a page that lands
 * in the wrong place shows itself; the rest comes from a pool of 256 random pages.
 */
export function noiseStream(seed: number): NoiseStream {
  const pool = new Uint8Array(NOISE_POOL_PAGES * NOISE_PAGE_BYTES);
  fillNoise(new Uint32Array(pool.buffer), seed);
  return (range) => {
    const first = Math.floor(range.start / NOISE_PAGE_BYTES);
    const last = Math.ceil(range.end / NOISE_PAGE_BYTES);
    const pages = new Uint8Array((last - first) * NOISE_PAGE_BYTES);
    const view = new DataView(pages.buffer);
    for (let page = first; page < last; page += 1) {
      const from = ((page * 167 + (page >>> 8)) % NOISE_POOL_PAGES) * NOISE_PAGE_BYTES;
      const at = (page - first) * NOISE_PAGE_BYTES;
      pages.set(pool.subarray(from, from + NOISE_PAGE_BYTES), at);
      view.setUint32(at, page >>> 0, true);
      view.setUint32(at + 4, Math.floor(page / 2 ** 32), true);
    }
    return pages.slice(range.start - first * NOISE_PAGE_BYTES, range.end - first * NOISE_PAGE_BYTES);
  };
}

/** The last ones: a server that makes a pool for each small range would be what is measured. */
const STREAMS = new Map<number, NoiseStream>();
const MOST_STREAMS = 16;

function keptStream(seed: number): NoiseStream {
  const kept = STREAMS.get(seed);
  if (kept !== undefined) return kept;
  const stream = noiseStream(seed);
  if (STREAMS.size >= MOST_STREAMS) STREAMS.clear();
  STREAMS.set(seed, stream);
  return stream;
}

/** One slice of `noiseStream(seed)`; for many slices keep the stream. */
export function noise(seed: number, range: ByteRange): Uint8Array<ArrayBuffer> {
  return noiseStream(seed)(range);
}

export function contentSize(content: Content): number {
  if (content.kind === "bytes") return content.bytes.length;
  return content.kind === "file" ? statSync(content.path).size : content.size;
}

/** The bytes of `range` in order, in pieces of at most 1 MiB. */
export async function* streamContent(content: Content, range: ByteRange): AsyncGenerator<Uint8Array> {
  const { start, end } = clip(range, contentSize(content));
  if (start === end) return;
  if (content.kind === "bytes") yield content.bytes.subarray(start, end);
  else if (content.kind === "file")
    yield* createReadStream(content.path, { start, end: end - 1, highWaterMark: 256 * 1024 });
  else {
    const stream = keptStream(content.seed);
    for (let at = start; at < end; at += STEP_BYTES) yield stream({ start: at, end: Math.min(end, at + STEP_BYTES) });
  }
}

async function hashContent(content: Content): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const piece of streamContent(content, { start: 0, end: contentSize(content) })) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

/** Digests of noise from this size on are remembered in a file: 10 GB take half a minute to hash. */
const REMEMBERED_BYTES = 64 * 1024 * 1024;

export async function contentDigest(content: Content, options: { readonly memory?: string } = {}): Promise<Digest> {
  if (content.kind !== "noise" || content.size < REMEMBERED_BYTES) return hashContent(content);
  const folder = options.memory ?? join(tmpdir(), "riffle-noise-digests");
  const file = join(folder, `v${NOISE_VERSION}-${content.seed}-${content.size}`);
  try {
    const hex = readFileSync(file, "utf8").trim();
    if (/^[0-9a-f]{64}$/.test(hex)) return `sha256:${hex}`;
  } catch {
    // not hashed yet
  }
  const digest = await hashContent(content);
  mkdirSync(folder, { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, digest.slice("sha256:".length));
  renameSync(draft, file);
  return digest;
}
