import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { RegistryOptions } from "./options.ts";

/** Small enough that a response which the client drops costs about what it would on a real link. */
const STEP_BYTES = 64 * 1024;
/** A timer that fires late is made up for within one response, up to this much. */
const CATCH_UP_MS = 4;

/** When a line is free again, in `performance.now()` milliseconds. */
interface Line {
  free: number;
}

export interface Pacer {
  /**
   * Sends `source` as the body, then ends the response. Each step of 64 KiB is handed over at the moment its last byte
   * would have arrived; `count` is called once the socket has taken it. Never rejects: a client that left ends it.
   */
  send(response: ServerResponse, source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): Promise<void>;
}

/** One clock for each connection and one for all of them, kept for the life of the registry. */
export function createPacer(options: () => RegistryOptions): Pacer {
  const lines = new WeakMap<object, Line>();
  const all: Line = { free: 0 };

  const book = (line: Line, bytes: number, { rate, earliest }: { rate: number; earliest: number }): void => {
    if (rate > 0) line.free = Math.max(earliest, line.free) + (bytes * 1000) / rate;
  };
  const wait = async (response: ServerResponse, bytes: number, first: boolean): Promise<void> => {
    const { ratePerConnection = 0, totalRate = 0 } = options();
    const key = response.socket ?? response;
    const line = lines.get(key) ?? { free: 0 };
    lines.set(key, line);
    const now = performance.now();
    book(line, bytes, { rate: ratePerConnection, earliest: first ? now : now - CATCH_UP_MS });
    book(all, bytes, { rate: totalRate, earliest: now - CATCH_UP_MS });
    const due = Math.max(ratePerConnection > 0 ? line.free : 0, totalRate > 0 ? all.free : 0);
    if (due - now >= 1) await sleep(due - now);
  };

  return {
    async send(response, source, count) {
      try {
        let first = true;
        for await (const chunk of source) {
          for (let at = 0; at < chunk.length; at += STEP_BYTES) {
            const step = chunk.subarray(at, at + STEP_BYTES);
            await wait(response, step.length, first);
            first = false;
            await write(response, step);
            count(step.length);
          }
        }
        response.end();
      } catch {
        response.destroy();
      }
    },
  };
}

function write(response: ServerResponse, step: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error("the client left"));
    if (response.destroyed) return gone();
    response.once("close", gone);
    response.write(step, (error) => {
      response.off("close", gone);
      if (error) reject(error);
      else resolve();
    });
  });
}
