import { expect } from "vitest";
import type { WarmResult } from "../../src/cache/cache.ts";
import { ROW_FILTERED, ROW_HIDDEN, ROW_LIVE, type TreeTable } from "../../src/layers/tree.ts";
import { DEFERRED, NO_REPLY, type Handler, type HandlerOptions } from "../../src/mount/exchange.ts";
import { createHandler } from "../../src/mount/handler.ts";
import { MAX_READ_BYTES, OUT_HEADER_BYTES, REQUEST_BUFFER_BYTES } from "../../src/mount/protocol.ts";
import { treeTotals, type TreeView } from "../../src/mount/tree-view.ts";
import { memoryTree } from "./memory-tree.ts";
import { message, parseReply, type MessageSpec, type Reply } from "./messages.ts";

/** As long as a name may be. */
export const LONG_NAME: string = "n".repeat(255);

/** One of each kind of entry. */
export const tree: TreeTable = memoryTree([
  { name: "a.bin", size: 10_000, source: 0, offset: 0, mtime: 1_700_000_000 },
  { name: "b", children: [{ name: "c.bin", size: 5, source: 1, offset: 512, uid: 7, gid: 8, mode: 0o640 }] },
  { name: "cold.bin", size: 2 ** 41, source: 2, xattrs: { "user.oci.digest": "sha256:00" } },
  { name: "hard", linkTo: "/a.bin", source: 0 },
  { name: "link", target: "b/c.bin" },
  { name: "gone", size: 1, flags: ROW_FILTERED },
  {
    name: ".oci",
    flags: ROW_HIDDEN,
    children: [
      { name: "stats.json", flags: ROW_LIVE },
      { name: "still", size: 1 },
    ],
  },
  { name: "negative", size: 0, mtime: -1 },
  { name: LONG_NAME, size: 0 },
]);
const view: TreeView = { tree, rootRow: 0, uid: 1000, gid: 1001, umask: 0o002 };

/** The kernel's number of a path. */
export function nodeOf(path: string): number {
  let row = 0;
  for (const name of path.split("/")) row = tree.lookup(row, Buffer.from(name));
  return tree.link(row) + 1;
}

/** Byte `i` of content `slot` is `slot * 31 + i`, in a cache that holds slots 1 and 2 alone. */
const reader = {
  read(slot: number, offset: number, length: number, target: Uint8Array, at: number, result: WarmResult): void {
    result.bytes = slot > 2 ? -1 : length;
    const last = Math.min(length, Math.max(0, result.bytes));
    for (let i = 0; i < last; i += 1) target[at + i] = (slot * 31 + offset + i) & 255;
    result.crossed = offset === 4096;
    result.proven = slot === 1;
  },
};

/** A handler over `tree`, driven by raw messages with no kernel. */
export function setUpHandler(extra: Partial<HandlerOptions> = {}): {
  send: (spec: MessageSpec) => Reply | typeof DEFERRED | typeof NO_REPLY;
  ask: (spec: MessageSpec) => Reply;
  raw: (bytes: Uint8Array, length?: number) => { length: number; reply: Uint8Array };
  handler: Handler;
  counters: Float64Array;
} {
  const request = new Uint8Array(REQUEST_BUFFER_BYTES);
  const reply = new Uint8Array(OUT_HEADER_BYTES + MAX_READ_BYTES);
  const counters = new Float64Array(4);
  const warm = { reader, slots: Int32Array.of(1, 2, 3) };
  const handler = createHandler({ view, totals: treeTotals(view), request, reply, warm, counters, ...extra });
  const raw = (bytes: Uint8Array, length = bytes.length): { length: number; reply: Uint8Array } => {
    request.set(bytes.subarray(0, request.length));
    return { length: handler.handle(length), reply };
  };
  const send = (spec: MessageSpec): Reply | typeof DEFERRED | typeof NO_REPLY => {
    const { length } = raw(message(spec));
    if (length === DEFERRED || length === NO_REPLY) return length;
    const parsed = parseReply(reply.subarray(0, length));
    expect(parsed.length).toBe(length);
    expect(parsed.unique).toBe(spec.unique ?? 2);
    return parsed;
  };
  const ask = (spec: MessageSpec): Reply => {
    const answer = send(spec);
    if (typeof answer === "number") throw new Error(`no reply: ${answer}`);
    return answer;
  };
  return { send, ask, raw, handler, counters };
}
