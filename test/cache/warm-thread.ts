import { Worker } from "node:worker_threads";
import { threadFile } from "../../src/bytes/thread-file.ts";
import type { WarmHandle } from "../../src/cache/cache.ts";

/** Compiled: a thread does not run TypeScript on Node 20 (build first). */
const READER = threadFile("warm-reader", new URL("../../src/cache/warm-reader.ts", import.meta.url).href).href;

const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
import(workerData.module).then(({ WarmReader }) => {
  const reader = new WarmReader(workerData.warm, workerData.reader);
  const target = new Uint8Array(1 << 20);
  const result = { bytes: 0, crossed: false, proven: false };
  const expected = (at, seed) => (at * 31 + Math.floor(at / 4096) * 7 + seed * 101) & 0xff;
  parentPort.on("message", (ask) => {
    if (ask.kind === "read") {
      reader.read(ask.slot, ask.offset, ask.length, target, 0, result);
      const bytes = result.bytes > 0 ? target.slice(0, result.bytes) : undefined;
      parentPort.postMessage({ ...result, data: bytes });
      return;
    }
    // Reads at random until told to stop; slots and seeds are shared words that main changes meanwhile.
    const words = new Int32Array(ask.shared);
    let hits = 0, misses = 0, wrong = 0;
    let random = 12345 + workerData.reader;
    while (Atomics.load(words, 0) === 0) {
      random = (random * 1103515245 + 12345) & 0x7fffffff;
      const which = (random >>> 8) % ask.contents;
      random = (random * 1103515245 + 12345) & 0x7fffffff;
      const offset = random % ask.size;
      const length = 1 + ((random >>> 5) % 20000);
      reader.read(Atomics.load(words, 1 + which), offset, length, target, 0, result);
      if (result.bytes < 0) { misses++; continue; }
      hits++;
      for (let i = 0; i < result.bytes; i += 97) if (target[i] !== expected(offset + i, which)) { wrong++; break; }
    }
    parentPort.postMessage({ hits, misses, wrong });
  });
  parentPort.postMessage("ready");
});
`;

export interface ThreadRead {
  readonly bytes: number;
  readonly crossed: boolean;
  readonly proven: boolean;
  readonly data?: Uint8Array;
}

export interface HammerCount {
  readonly hits: number;
  readonly misses: number;
  readonly wrong: number;
}

/** A thread with a `WarmReader` in it. */
export async function startWarmThread(
  warm: WarmHandle,
  reader: number,
): Promise<{
  read(slot: number, offset: number, length: number): Promise<ThreadRead>;
  /** `shared`: word 0 stops, word 1 + n is the slot of content n (bytes of `patterned(size, n)`). */
  hammer(shared: SharedArrayBuffer, of: { readonly contents: number; readonly size: number }): Promise<HammerCount>;
  stop(): Promise<number>;
}> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: { module: READER, warm, reader } });
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  await next();
  const ask = (message: object): Promise<unknown> => {
    const answer = next();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(message);
    return answer;
  };
  return {
    read: async (slot, offset, length) => (await ask({ kind: "read", slot, offset, length })) as ThreadRead,
    hammer: async (shared, of) => (await ask({ kind: "hammer", shared, ...of })) as HammerCount,
    stop: () => worker.terminate(),
  };
}
