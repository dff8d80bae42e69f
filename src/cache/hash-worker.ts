import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import { parentPort } from "node:worker_threads";

/** One step of one hash; the answer to each is a `HashAnswer`. */
export type HashStep =
  | { readonly kind: "start"; readonly algorithm: "sha256" | "sha512" }
  | { readonly kind: "file"; readonly fd: number; readonly position: number; readonly length: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "finish" };

export interface HashAnswer {
  readonly ok: boolean;
  readonly hex?: string;
}

const BUFFER_BYTES = 1024 * 1024;

function answerer(): (step: HashStep) => HashAnswer {
  const buffer = new Uint8Array(BUFFER_BYTES);
  let hash: Hash | undefined;
  return (step) => {
    if (step.kind === "start") hash = createHash(step.algorithm);
    if (hash === undefined) return { ok: false };
    if (step.kind === "bytes") hash.update(step.bytes);
    if (step.kind === "finish") return { ok: true, hex: hash.digest("hex") };
    if (step.kind === "file") {
      for (let done = 0; done < step.length;) {
        const count = readSync(step.fd, buffer, 0, Math.min(BUFFER_BYTES, step.length - done), step.position + done);
        if (count <= 0) return { ok: false };
        hash.update(buffer.subarray(0, count));
        done += count;
      }
    }
    return { ok: true };
  };
}

const answer = answerer();
parentPort?.on("message", (step: HashStep) => {
  let reply: HashAnswer = { ok: false };
  try {
    reply = answer(step);
  } catch {
    // An I/O error: the bytes cannot be proven.
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(reply);
});
