import { parentPort, workerData } from "node:worker_threads";
import type { ByteRange } from "../bytes/range.ts";
import { checkRange, type RangeSource } from "../bytes/source.ts";
import { isRiffleError, RiffleError, type ErrorCode } from "../errors.ts";
import type { ExtentTable } from "../formats/extents.ts";
import type { FormatName } from "../formats/format.ts";
import { FORMATS } from "../formats/formats.ts";

/** What the thread is started with. */
export interface ExtentsJob {
  readonly format: FormatName;
  readonly maxBytes: number;
  readonly id: string;
  readonly size: number;
}

export type ExtentsMessage =
  | { readonly kind: "read"; readonly call: number; readonly ranges: readonly ByteRange[] }
  | { readonly kind: "table"; readonly table: ExtentTable }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

/** The answer to a `read`. */
export type ExtentsReply =
  | { readonly call: number; readonly parts: readonly Uint8Array[] }
  | { readonly call: number; readonly code: ErrorCode; readonly message: string };

function say(message: ExtentsMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(message);
}

/** The source of the other side. */
function askedSource({ id, size }: ExtentsJob): RangeSource {
  const waiting = new Map<number, (reply: ExtentsReply) => void>();
  let last = 0;
  parentPort?.on("message", (reply: ExtentsReply) => {
    waiting.get(reply.call)?.(reply);
    waiting.delete(reply.call);
  });
  const readMany = async (ranges: readonly ByteRange[]): Promise<readonly Uint8Array[]> => {
    ranges.forEach(checkRange);
    const call = (last += 1);
    const reply = await new Promise<ExtentsReply>((resolve) => {
      waiting.set(call, resolve);
      say({ kind: "read", call, ranges });
    });
    if ("parts" in reply) return reply.parts;
    throw new RiffleError(reply.code, reply.message);
  };
  return {
    id,
    size,
    readMany,
    read: async (range) => (await readMany([range]))[0] ?? new Uint8Array(0),
  };
}

async function run(job: ExtentsJob): Promise<void> {
  const module = await FORMATS.find(({ name }) => name === job.format)?.load?.();
  const table = await module?.extents?.(askedSource(job), { maxBytes: job.maxBytes });
  if (table === undefined) throw new RiffleError("unsupported", `${job.format} has no units`);
  say({ kind: "table", table });
}

// Given by the only one who starts this thread.
run(workerData as ExtentsJob).catch((error: unknown) => {
  const code = isRiffleError(error) ? error.code : "internal";
  say({ kind: "failed", code, message: error instanceof Error ? error.message : "the index cannot be parsed" });
});
