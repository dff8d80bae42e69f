import { open } from "node:fs/promises";
import { noiseStream } from "../content.ts";

/**
 * A reader for a process of its own: `node preads.js '{"file","size","count","bytes","readers","seed"}'` makes `count`
 * preads of `bytes` at random multiples of 4 KiB in a file of noise, `readers` at a time, checks every byte, and prints
 * `{"ms", "wrong"}`: the time of the preads alone, and how many gave other bytes than they should.
 * Set UV_THREADPOOL_SIZE to at least `readers`.
 */
interface Task {
  readonly file: string;
  readonly size: number;
  readonly count: number;
  readonly bytes: number;
  readonly readers: number;
  /** Of the file's noise, and of the offsets. */
  readonly seed: number;
}
// written by the scenario that starts us
const task = JSON.parse(process.argv[2] ?? "{}") as Task;

function offsets({ size, count, bytes, seed }: Task): readonly number[] {
  let state = Math.imul(seed + 17, 0x9e3779b1) | 1;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % Math.floor((size - bytes) / 4096)) * 4096;
  });
}

const wanted = offsets(task);
const handle = await open(task.file);
const answers: Uint8Array[] = [];
const queue = [...wanted.entries()];
const reader = async (): Promise<void> => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [index, offset] = next;
    const buffer = new Uint8Array(task.bytes);
    const { bytesRead } = await handle.read(buffer, 0, task.bytes, offset);
    answers[index] = buffer.subarray(0, bytesRead);
  }
};
const begun = performance.now();
await Promise.all(Array.from({ length: task.readers }, reader));
const ms = performance.now() - begun;
await handle.close();
const right = noiseStream(task.seed);
const wrong = wanted.filter((start, index) => {
  const answer = answers[index] ?? new Uint8Array();
  return !Buffer.from(right({ start, end: start + task.bytes })).equals(answer);
}).length;
process.stdout.write(`${JSON.stringify({ ms, wrong })}\n`);
