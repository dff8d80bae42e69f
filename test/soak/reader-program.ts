import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { noiseStream, type NoiseStream } from "../support/content.ts";

/** One thing that a reader does with a mount. */
export type ReaderTask =
  | {
      readonly kind: "read";
      readonly path: string;
      readonly start: number;
      readonly end: number;
      readonly seed: number;
    }
  | { readonly kind: "list"; readonly path: string; readonly names: readonly string[] }
  | { readonly kind: "stat"; readonly path: string; readonly size: number };

export interface ReaderAnswer {
  /** Bytes that were read and compared. */
  readonly bytes: number;
  /** Bytes, names or sizes that are not what they should be. */
  readonly wrong: number;
  /** The errno of a call that failed. */
  readonly code?: string;
  readonly ms: number;
}

/** A reader in a process of its own (`fork`): each message is a task, each answer says how it went. */
const BUFFER_BYTES = 1 << 20;
const buffer = new Uint8Array(BUFFER_BYTES);
const streams = new Map<number, NoiseStream>();

function noiseOf(seed: number): NoiseStream {
  const known = streams.get(seed) ?? noiseStream(seed);
  streams.set(seed, known);
  return known;
}

function differing(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return 0;
  let count = Math.abs(a.length - b.length);
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) if (a[at] !== b[at]) count += 1;
  return count;
}

function read(task: Extract<ReaderTask, { kind: "read" }>): { readonly bytes: number; readonly wrong: number } {
  const right = noiseOf(task.seed);
  const descriptor = openSync(task.path, "r");
  let wrong = 0;
  try {
    for (let at = task.start; at < task.end;) {
      const wanted = Math.min(BUFFER_BYTES, task.end - at);
      const got = readSync(descriptor, buffer, 0, wanted, at);
      wrong += differing(buffer.subarray(0, got), right({ start: at, end: at + got }));
      // A read that is short inside a file is as bad as wrong bytes.
      if (got === 0) return { bytes: at - task.start, wrong: wrong + task.end - at };
      at += got;
    }
    return { bytes: task.end - task.start, wrong };
  } finally {
    closeSync(descriptor);
  }
}

function perform(task: ReaderTask): { readonly bytes: number; readonly wrong: number } {
  if (task.kind === "read") return read(task);
  if (task.kind === "stat") return { bytes: 0, wrong: statSync(task.path).size === task.size ? 0 : 1 };
  const found = readdirSync(task.path).sort();
  return { bytes: 0, wrong: found.join("\n") === task.names.join("\n") ? 0 : 1 };
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message) => {
  // only those who fork us hold the other end
  const task = message as ReaderTask;
  const begun = performance.now();
  const answer = (): ReaderAnswer => {
    try {
      return { ...perform(task), ms: performance.now() - begun };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      return { bytes: 0, wrong: 0, code, ms: performance.now() - begun };
    }
  };
  process.send?.(answer());
});
