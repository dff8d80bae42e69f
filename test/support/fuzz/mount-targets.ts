import { buildTree } from "../../../src/layers/tree-builder.ts";
import { sealTree } from "../../../src/layers/tree-format.ts";
import { openTree } from "../../../src/layers/tree-table.ts";
import { verifyTree } from "../../../src/layers/tree-verify.ts";
import { decodeRequest, decodeResponse, encodeResponse, fromWireError } from "../../../src/mount/control-protocol.ts";
import { DEFERRED, NO_REPLY } from "../../../src/mount/exchange.ts";
import { createHandler } from "../../../src/mount/handler.ts";
import { negotiate } from "../../../src/mount/init.ts";
import { parseMountInfo } from "../../../src/mount/proc-mounts.ts";
import { MAX_READ_BYTES, OP, OUT_HEADER_BYTES, REQUEST_BUFFER_BYTES } from "../../../src/mount/protocol.ts";
import { parseSessionState } from "../../../src/mount/session-state.ts";
import { treeTotals } from "../../../src/mount/tree-view.ts";
import { fields, message, readIn, text } from "../messages.ts";
import { readEverything, settle } from "../tree-reads.ts";
import { json, textOf, utf8, type FuzzTarget } from "./target.ts";

function smallTree(): SharedArrayBuffer {
  return buildTree(
    [
      { path: "a/b/c.txt", kind: "file", size: 7, source: 1, offset: 5 },
      { path: "a/b/d", kind: "file", size: 3, source: 0, group: 1 },
      { path: "a/e", kind: "file", size: 3, source: 0, group: 1 },
      { path: "a/link", kind: "symlink", target: "b/c.txt" },
      { path: "z", kind: "directory" },
    ],
    { sources: [[], [{ name: "user.a", value: utf8("1") }, { name: "user.live" }]] },
  );
}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const request = new Uint8Array(REQUEST_BUFFER_BYTES);
const reply = new Uint8Array(OUT_HEADER_BYTES + MAX_READ_BYTES);
const tree = openTree(smallTree());
const view = { tree, rootRow: 0, uid: 1, gid: 2, umask: 0 };
const warm = {
  slots: Int32Array.of(1, 2),
  reader: {
    read: (
      slot: number,
      _offset: number,
      length: number,
      target: Uint8Array,
      at: number,
      result: { bytes: number },
    ) => {
      result.bytes = slot === 1 ? length : -1;
      if (slot === 1) target.fill(7, at, at + length);
    },
  },
};
const handler = createHandler({ view, totals: treeTotals(view), request, reply, warm, counters: new Float64Array(5) });

const fuse: FuzzTarget = {
  name: "fuse",
  maxBytes: REQUEST_BUFFER_BYTES,
  words: ["a\0", "e\0", "user.a\0", "user.oci.cached\0", "security.selinux\0", "..\0"],
  seeds: () => [
    ...Object.values(OP).map((opcode) => message({ opcode, node: 2, body: new Uint8Array(64) })),
    message({ opcode: OP.LOOKUP, body: text("a") }),
    message({ opcode: OP.READ, node: 4, body: readIn({ offset: 1, size: 4096 }) }),
    message({ opcode: OP.READDIRPLUS, node: 2, body: readIn({ offset: 1, size: 300 }) }),
    message({ opcode: OP.GETXATTR, node: 4, body: Buffer.concat([fields([4, 100], [4, 0]), text("user.a")]) }),
  ],
  run: (input) => {
    request.set(input.subarray(0, request.length));
    const length = handler.handle(input.length);
    if (length === NO_REPLY || length === DEFERRED) return;
    const head = new DataView(reply.buffer, 0, OUT_HEADER_BYTES);
    const error = head.getInt32(4, true);
    demand(length >= OUT_HEADER_BYTES && length <= reply.length, `a reply of ${length} bytes`);
    demand(head.getUint32(0, true) === length, "a reply that says another length");
    demand(error <= 0 && error > -512, `errno ${error}`);
    demand(error === 0 || length === OUT_HEADER_BYTES, "an error with a body");
  },
};

const init: FuzzTarget = {
  name: "fuse-init",
  maxBytes: 512,
  seeds: () => [
    message({ opcode: OP.INIT, body: fields([4, 7], [4, 45], [4, 131_072], [4, 0x7fff_ffff], [4, 0xff], [8, 0]) }),
    message({ opcode: OP.INIT, body: fields([4, 7], [4, 31], [4, 131_072], [4, 0]) }),
    message({ opcode: OP.INIT, body: fields([4, 8], [4, 0], [4, 0], [4, 0]) }),
  ],
  run: (input) => {
    const answer = negotiate(input, { passthrough: true });
    demand(answer.reply.length <= 80, `a reply of ${answer.reply.length} bytes`);
    demand(answer.kind !== "ready" || answer.abilities.minor >= 31, "a kernel that is too old");
  },
};

/** Also under right checksums: a published table is anybody's. */
const flatTree: FuzzTarget = {
  name: "tree",
  maxBytes: 4096,
  seeds: () => [new Uint8Array(smallTree()).slice(), new Uint8Array(buildTree([])).slice()],
  run: async (input, tried) => {
    const buffer = new SharedArrayBuffer(input.length);
    new Uint8Array(buffer).set(input);
    await tried(() => readEverything(buffer));
    await tried(() => verifyTree(buffer));
    if (input.length < 128) return;
    const head = new DataView(buffer);
    const u32 = (at: number): number => head.getUint32(at, true);
    sealTree(buffer, {
      rows: u32(16),
      sources: u32(20),
      root: u32(24),
      inodeBase: head.getFloat64(32, true),
      nameBytes: u32(40),
      targetBytes: u32(44),
      xattrBytes: u32(48),
    });
    await tried(() => readEverything(buffer));
    settle(() => {
      const table = verifyTree(buffer);
      for (let row = 1; row < table.rows; row += 1) demand(table.parent(row) < row, "a row before its directory");
    });
  },
};

const control: FuzzTarget = {
  name: "control",
  kind: "json",
  words: ["op", "ping", "stats", "unmount", "lazy", "ok", "error", "code", "facts", "__proto__"],
  seeds: () => [
    json({ v: 1, op: "unmount", lazy: true }),
    json({ v: 1, op: "ping" }),
    utf8(encodeResponse({ ok: true, result: { a: 1 } })),
    utf8(encodeResponse({ ok: false, error: { code: "disk", message: "m", hint: "h", facts: { a: 1 } } })),
  ],
  run: async (input, tried) => {
    const line = textOf(input);
    await tried(() => decodeRequest(line));
    await tried(() => {
      const response = decodeResponse(line);
      if (!response.ok) fromWireError(response.error);
    });
  },
};

const sessionState: FuzzTarget = {
  name: "session-state",
  kind: "json",
  words: ["mountpoint", "process", "pid", "device", "0:1", "/a"],
  seeds: () => [
    json({
      protocol: 1,
      mountpoint: "/mnt",
      reference: "a.io/b:v1",
      digest: "sha256:00",
      backend: "kernel",
      since: "2026-01-01T00:00:00Z",
      socket: "/run/x.sock",
      device: "0:52",
      dedicated: true,
      process: { pid: 1234, start: "1", world: "w" },
      log: "/tmp/x.log",
    }),
  ],
  run: (input) => {
    const state = parseSessionState(textOf(input));
    demand(state === undefined || (state.process.pid > 1 && state.mountpoint.startsWith("/")), "a state that is none");
  },
};

const mountInfo: FuzzTarget = {
  name: "mountinfo",
  words: ["\\040", "\\134", " - ", "fuse.riffle", "\n", "\\377"],
  seeds: () => [
    utf8("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"),
    utf8("52 26 0:47 / /home/a\\040b rw,nosuid shared:1 shared:2 - fuse.riffle a.io/b ro,user_id=0\n"),
  ],
  run: (input) => void parseMountInfo(textOf(input)),
};

export const MOUNT_TARGETS: readonly FuzzTarget[] = [fuse, init, flatTree, control, sessionState, mountInfo];
