import { closeSync, openSync, readSync } from "node:fs";
import { noiseStream } from "../content.ts";

/**
 * A reader for a process of its own: `node sequential.js FILE SEED [LIMIT]` reads a file of noise from its start with
 * 1 MiB reads and prints `{"ms", "bytes", "wrong"}`. It checks the number at the head of every page, and every byte of
 * one MiB in 32, so that checking costs little beside reading.
 */
const BUFFER_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const WHOLE_CHECK_EVERY = 32;

const [file = "", seed = "0", limit = "Infinity"] = process.argv.slice(2);
const right = noiseStream(Number(seed));
const buffer = new Uint8Array(BUFFER_BYTES);
const view = new DataView(buffer.buffer);
let bytes = 0;
let wrong = 0;

function check(at: number, length: number): void {
  for (let offset = 0; offset < length; offset += PAGE_BYTES) {
    const page = (at + offset) / PAGE_BYTES;
    if (offset + 8 <= length && view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32 !== page)
      wrong += 1;
  }
  if ((at / BUFFER_BYTES) % WHOLE_CHECK_EVERY === 0) {
    if (!Buffer.from(right({ start: at, end: at + length })).equals(buffer.subarray(0, length))) wrong += 1;
  }
}

const begun = performance.now();
const descriptor = openSync(file, "r");
while (bytes < Number(limit)) {
  let filled = 0;
  while (filled < BUFFER_BYTES) {
    const got = readSync(descriptor, buffer, filled, BUFFER_BYTES - filled, bytes + filled);
    if (got === 0) break;
    filled += got;
  }
  check(bytes, filled);
  bytes += filled;
  if (filled < BUFFER_BYTES) break;
}
closeSync(descriptor);
process.stdout.write(`${JSON.stringify({ ms: performance.now() - begun, bytes, wrong })}\n`);
