/**
 * One of several processes that use a cache directory at once: `cache-peer.js DIRECTORY`, then a request a line on stdin and
 * its answer a line on stdout. A thread of it reads as a device thread does, from shared memory alone.
 */
import { createInterface } from "node:readline";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { digestOf } from "../../../src/bytes/digest.ts";
import type { ByteRange } from "../../../src/bytes/range.ts";
import type { CacheEntry, WarmHandle } from "../../../src/cache/cache.ts";
import { openCache } from "../../../src/cache/open-cache.ts";
import { WarmReader } from "../../../src/cache/warm-reader.ts";
import { patterned } from "../patterned.ts";

export interface PeerContent {
  readonly id: string;
  readonly size: number;
  /** Of its bytes: `patterned(size, seed)`. */
  readonly seed: number;
}

export interface PeerRequest {
  readonly op: "write" | "look" | "verify" | "discard" | "close";
  readonly content: PeerContent;
  /** For `write`. */
  readonly range?: ByteRange;
}

/** To `look`: what is not held, and whether each way of reading what is gave the right bytes. */
export interface PeerAnswer {
  readonly missing?: readonly ByteRange[];
  /** `gone`: it was held, and then it was not. */
  readonly read?: "right" | "wrong" | "gone";
  readonly thread?: "right" | "wrong" | "missed";
  readonly outcome?: string;
}

interface ThreadAsk {
  readonly slot: number;
  readonly size: number;
  readonly seed: number;
  readonly held: readonly ByteRange[];
}

const PAGE = 4096;

function threadMain(warm: WarmHandle): void {
  const reader = new WarmReader(warm, 1);
  const target = new Uint8Array(PAGE);
  const result = { bytes: 0, crossed: false, proven: false };
  parentPort?.on("message", ({ slot, size, seed, held }: ThreadAsk) => {
    const content = patterned(size, seed);
    let found: PeerAnswer["thread"] = "right";
    // All pages: what is not held must not be served either.
    for (let start = 0; start < size; start += PAGE) {
      const end = Math.min(size, start + PAGE);
      reader.read(slot, start, end - start, target, 0, result);
      const isHeld = held.some((range) => range.start <= start && end <= range.end);
      if (result.bytes < 0) found = isHeld && found === "right" ? "missed" : found;
      else if (!isHeld || Buffer.compare(target.subarray(0, result.bytes), content.subarray(start, end)) !== 0)
        found = "wrong";
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(found);
  });
}

async function processMain(directory: string): Promise<void> {
  const cache = await openCache({ directory, freeSpace: { bytes: 0, ratio: 0 } });
  const thread = new Worker(new URL(import.meta.url), { workerData: { warm: cache.warm } });
  const askThread = (ask: ThreadAsk): Promise<PeerAnswer["thread"]> =>
    new Promise((resolve) => {
      thread.once("message", resolve);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage(ask);
    });

  const entries = new Map<string, CacheEntry>();
  const entryOf = ({ id, size }: Pick<PeerContent, "id" | "size">): CacheEntry => {
    const entry = entries.get(id) ?? cache.open(id, size);
    entries.set(id, entry);
    return entry;
  };

  async function look({ id, size, seed }: PeerContent): Promise<PeerAnswer> {
    const entry = entryOf({ id, size });
    const missing = entry.missing({ start: 0, end: size });
    const content = patterned(size, seed);
    let read: PeerAnswer["read"] = "right";
    const held: ByteRange[] = [];
    for (let start = 0; start < size; start += PAGE) {
      const range = { start, end: Math.min(size, start + PAGE) };
      const isHeld = !missing.some((hole) => hole.start < range.end && range.start < hole.end);
      const found = await entry.read(range);
      if (isHeld) held.push(range);
      if (found === undefined) read = isHeld && read === "right" ? "gone" : read;
      else if (!isHeld || Buffer.compare(found, content.subarray(range.start, range.end)) !== 0) read = "wrong";
    }
    const seen = await askThread({ slot: entry.slot, size, seed, held });
    return { missing, read, ...(seen === undefined ? {} : { thread: seen }) };
  }

  async function answer({ op, content, range }: PeerRequest): Promise<PeerAnswer> {
    const { size, seed } = content;
    const entry = entryOf(content);
    if (op === "look") return look(content);
    if (op === "verify") return { outcome: await entry.verify(digestOf(patterned(size, seed))) };
    if (op === "write" && range !== undefined)
      await entry.write(range.start, patterned(size, seed).slice(range.start, range.end));
    if (op === "discard") entry.discard();
    if (op === "close") {
      entry.close();
      entries.delete(content.id);
    }
    return {};
  }

  process.stdout.write("{}\n");
  for await (const line of createInterface({ input: process.stdin }))
    // The lines are those of the test that started this process.
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as PeerRequest))}\n`);
  process.exit(0);
}

if (isMainThread) await processMain(process.argv[2] ?? "");
// Started by `processMain` alone.
else threadMain((workerData as { readonly warm: WarmHandle }).warm);
