import { constants } from "node:os";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { WarmResult } from "../../src/cache/cache.ts";
import { ROW_FILTERED, ROW_HIDDEN, ROW_LIVE } from "../../src/layers/tree.ts";
import { DEFERRED, NO_REPLY, type HandlerOptions } from "../../src/mount/exchange.ts";
import { createHandler } from "../../src/mount/handler.ts";
import { MAX_READ_BYTES, OP, OUT_HEADER_BYTES, REQUEST_BUFFER_BYTES } from "../../src/mount/protocol.ts";
import { treeTotals } from "../../src/mount/tree-view.ts";
import { memoryTree } from "../support/memory-tree.ts";
import {
  fields,
  message,
  parseDirents,
  parseReply,
  readIn,
  text,
  type MessageSpec,
  type Reply,
} from "../support/messages.ts";

const { errno } = constants;
const DAY = 86_400n;
const LONG_NAME = "n".repeat(255);

const tree = memoryTree([
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
const view = { tree, rootRow: 0, uid: 1000, gid: 1001, umask: 0o002 };

function nodeOf(path: string): number {
  let row = 0;
  for (const name of path.split("/")) row = tree.lookup(row, Buffer.from(name));
  return tree.link(row) + 1;
}

/** Byte `i` of content `slot` is `slot * 31 + i`, in a cache that holds slots 1 and 2 alone. */
const reader = {
  read(slot: number, offset: number, length: number, target: Uint8Array, at: number, result: WarmResult): void {
    result.bytes = slot > 2 ? -1 : length;
    for (let i = 0; i < length && slot <= 2; i += 1) target[at + i] = (slot * 31 + offset + i) & 255;
    result.crossed = offset === 4096;
    result.proven = slot === 1;
  },
};

function setUp(extra: Partial<HandlerOptions> = {}): {
  send: (spec: MessageSpec) => Reply | typeof DEFERRED | typeof NO_REPLY;
  ask: (spec: MessageSpec) => Reply;
  raw: (bytes: Uint8Array, length?: number) => { length: number; reply: Uint8Array };
  handler: ReturnType<typeof createHandler>;
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

test("LOOKUP gives an entry that is good for a day, with owners and umask of the mount", () => {
  const { ask } = setUp();
  const { error, body } = ask({ opcode: OP.LOOKUP, body: text("a.bin") });
  expect([error, body.length]).toEqual([0, 128]);
  expect(Number(body.readBigUInt64LE(0))).toBe(nodeOf("a.bin"));
  expect([body.readBigUInt64LE(8), body.readBigUInt64LE(16), body.readBigUInt64LE(24)]).toEqual([0n, DAY, DAY]);
  const attr = body.subarray(40);
  expect([attr.readBigUInt64LE(0), attr.readBigUInt64LE(8), attr.readBigUInt64LE(16)]).toEqual([
    BigInt(nodeOf("a.bin")),
    10_000n,
    20n,
  ]);
  expect([attr.readBigUInt64LE(24), attr.readBigUInt64LE(32), attr.readBigUInt64LE(40)]).toEqual(
    Array.from({ length: 3 }, () => 1_700_000_000n),
  );
  expect(attr.readUInt32LE(60).toString(8)).toBe("100444");
  expect([64, 68, 72, 76, 80, 84].map((at) => attr.readUInt32LE(at))).toEqual([1, 1000, 1001, 0, 4096, 0]);
});

test("LOOKUP keeps an entry's own owners and shows hidden names, a time before 1970 and names of 255 bytes", () => {
  const { ask } = setUp();
  const member = ask({ opcode: OP.LOOKUP, node: nodeOf("b"), body: text("c.bin") }).body.subarray(40);
  expect([60, 68, 72].map((at) => member.readUInt32LE(at))).toEqual([0o100640, 7, 8]);
  expect(ask({ opcode: OP.LOOKUP, body: text(".oci") }).body.readBigUInt64LE(0)).toBe(BigInt(nodeOf(".oci")));
  expect(ask({ opcode: OP.LOOKUP, body: text("negative") }).body.readBigInt64LE(40 + 24)).toBe(-1n);
  expect(ask({ opcode: OP.LOOKUP, body: text(LONG_NAME) }).error).toBe(0);
  expect(ask({ opcode: OP.LOOKUP, body: text("hard") }).body.readBigUInt64LE(0)).toBe(BigInt(nodeOf("a.bin")));
});

test("an absent and a filtered name are remembered as absent for a day", () => {
  const { ask } = setUp();
  for (const name of ["nothing", "gone", "."]) {
    const { error, body } = ask({ opcode: OP.LOOKUP, body: text(name) });
    expect([error, body.readBigUInt64LE(0), body.readBigUInt64LE(16)]).toEqual([0, 0n, DAY]);
  }
});

test("LOOKUP refuses what cannot be a name or a directory", () => {
  const { ask } = setUp();
  expect(ask({ opcode: OP.LOOKUP, body: text("") }).error).toBe(-errno.EINVAL);
  expect(ask({ opcode: OP.LOOKUP, body: Buffer.from("open") }).error).toBe(-errno.EINVAL);
  expect(ask({ opcode: OP.LOOKUP, body: text("x".repeat(256)) }).error).toBe(-errno.ENAMETOOLONG);
  expect(ask({ opcode: OP.LOOKUP, node: nodeOf("a.bin"), body: text("x") }).error).toBe(-errno.ENOTDIR);
  for (const node of [0, 999, Number.MAX_SAFE_INTEGER, tree.rows + 1]) {
    expect(ask({ opcode: OP.LOOKUP, node, body: text("x") }).error).toBe(-errno.ESTALE);
  }
});

test("GETATTR and READLINK", () => {
  const { ask } = setUp();
  const root = ask({ opcode: OP.GETATTR, body: fields([4, 0], [4, 0], [8, 0]) });
  expect([root.body.length, root.body.readBigUInt64LE(0), root.body.readBigUInt64LE(16)]).toEqual([104, DAY, 1n]);
  expect(root.body.readUInt32LE(16 + 60)).toBe(0o040555);
  const link = ask({ opcode: OP.GETATTR, node: nodeOf("link") });
  expect(link.body.readBigUInt64LE(16 + 8)).toBe(7n);
  expect(ask({ opcode: OP.READLINK, node: nodeOf("link") }).body.toString()).toBe("b/c.bin");
  expect(ask({ opcode: OP.READLINK, node: nodeOf("a.bin") }).error).toBe(-errno.EINVAL);
});

test("what changes is known to the main thread alone, and is good for no time", () => {
  const node = nodeOf(".oci/stats.json");
  const worker = setUp();
  for (const spec of [
    { opcode: OP.GETATTR, node },
    { opcode: OP.LOOKUP, node: nodeOf(".oci"), body: text("stats.json") },
    { opcode: OP.READ, node, body: readIn({ offset: 0, size: 4096 }) },
    {
      opcode: OP.GETXATTR,
      node: nodeOf("cold.bin"),
      body: Buffer.concat([fields([4, 99], [4, 0]), text("user.oci.cached")]),
    },
    { opcode: OP.LISTXATTR, node: nodeOf("cold.bin"), body: fields([4, 99], [4, 0]) },
    { opcode: OP.OPEN, node: nodeOf("cold.bin"), body: fields([4, 0], [4, 0]) },
    { opcode: OP.RELEASE, node: nodeOf("cold.bin"), body: fields([8, 1]) },
    { opcode: OP.INTERRUPT, node: 0, body: fields([8, 1]) },
  ]) {
    expect(worker.send(spec)).toBe(DEFERRED);
  }
  const main = setUp({ live: { size: () => 77, xattr: () => Buffer.from("12") } });
  const entry = main.ask({ opcode: OP.LOOKUP, node: nodeOf(".oci"), body: text("stats.json") }).body;
  expect([entry.readBigUInt64LE(16), entry.readBigUInt64LE(24), entry.readBigUInt64LE(48)]).toEqual([DAY, 0n, 77n]);
  const attr = main.ask({ opcode: OP.GETATTR, node }).body;
  expect([attr.readBigUInt64LE(0), attr.readBigUInt64LE(24)]).toEqual([0n, 77n]);
});

test("extended attributes: sizes first, then values; other namespaces are not supported at all", () => {
  const live = {
    size: () => 0,
    xattr: (_row: number, name: string) => (name.endsWith("cached") ? Buffer.from("12") : undefined),
  };
  const { ask } = setUp({ live });
  const get = (node: number, name: string, room: number): Reply =>
    ask({ opcode: OP.GETXATTR, node, body: Buffer.concat([fields([4, room], [4, 0]), text(name)]) });
  const cold = nodeOf("cold.bin");
  expect(get(cold, "user.oci.digest", 0).body.readUInt32LE(0)).toBe(9);
  expect(get(cold, "user.oci.digest", 9).body.toString()).toBe("sha256:00");
  expect(get(cold, "user.oci.digest", 8).error).toBe(-errno.ERANGE);
  expect(get(cold, "user.oci.cached", 100).body.toString()).toBe("12");
  expect(get(cold, "user.oci.verified", 100).error).toBe(-errno.ENODATA);
  expect(get(cold, "user.mine", 100).error).toBe(-errno.ENODATA);
  expect(get(1, "user.oci.cached", 100).error).toBe(-errno.ENODATA);
  expect(get(cold, "system.posix_acl_access", 0).error).toBe(-errno.EOPNOTSUPP);
  expect(get(cold, "security.capability", 0).error).toBe(-errno.EOPNOTSUPP);
  const list = ask({ opcode: OP.LISTXATTR, node: cold, body: fields([4, 999], [4, 0]) });
  expect(list.body.toString()).toBe("user.oci.digest\0user.oci.cached\0");
  expect(setUp().ask({ opcode: OP.LISTXATTR, body: fields([4, 999], [4, 0]) }).body.length).toBe(0);
});

function listAll(ask: (spec: MessageSpec) => Reply, plus: boolean, size: number): ReturnType<typeof parseDirents> {
  const entries: ReturnType<typeof parseDirents> = [];
  for (;;) {
    const offset = entries.at(-1)?.next ?? 0;
    const { error, body } = ask({ opcode: plus ? OP.READDIRPLUS : OP.READDIR, body: readIn({ offset, size }) });
    expect(error).toBe(0);
    expect(body.length).toBeLessThanOrEqual(size);
    if (body.length === 0) return entries;
    entries.push(...parseDirents(body, plus));
  }
}

test.each([
  { plus: false, size: 288 },
  { plus: false, size: 65_536 },
  { plus: true, size: 416 },
  { plus: true, size: 65_536 },
])("a listing has dots first, nothing hidden or filtered, in any portions: $plus $size", ({ plus, size }) => {
  const { ask } = setUp();
  const entries = listAll(ask, plus, size);
  expect(entries.map((entry) => entry.name)).toEqual(
    [".", "..", "a.bin", "b", "cold.bin", "hard", "link", "negative", LONG_NAME].sort(),
  );
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  expect(byName.get("hard")?.ino).toBe(nodeOf("a.bin"));
  expect([byName.get("b")?.type, byName.get("link")?.type, byName.get("a.bin")?.type]).toEqual([4, 10, 8]);
  expect([byName.get(".")?.ino, byName.get("..")?.ino]).toEqual([1, 1]);
  if (plus) {
    expect([byName.get(".")?.node, byName.get("a.bin")?.node]).toEqual([0, nodeOf("a.bin")]);
    expect([byName.get("cold.bin")?.size, byName.get("link")?.size]).toEqual([2 ** 41, 7]);
  }
  // Any position that was given out leads to the entry behind it again.
  for (const [index, entry] of entries.slice(0, -1).entries()) {
    const again = ask({ opcode: OP.READDIR, body: readIn({ offset: entry.next, size: 4096 }) });
    expect(parseDirents(again.body, false)[0]?.name).toBe(entries[index + 1]?.name);
  }
});

test("READDIRPLUS gives no attributes of what changes; positions beyond the end give nothing; a file is no directory", () => {
  const { ask } = setUp();
  const { body } = ask({ opcode: OP.READDIRPLUS, node: nodeOf(".oci"), body: readIn({ offset: 2, size: 4096 }) });
  expect(parseDirents(body, true).map((entry) => [entry.name, entry.node])).toEqual([
    ["stats.json", 0],
    ["still", nodeOf(".oci/still")],
  ]);
  for (const offset of [11, 1_000_000, Number.MAX_SAFE_INTEGER]) {
    expect(ask({ opcode: OP.READDIR, body: readIn({ offset, size: 4096 }) }).body.length).toBe(0);
  }
  expect(ask({ opcode: OP.READDIR, node: nodeOf("a.bin"), body: readIn({ offset: 0, size: 4096 }) }).error).toBe(
    -errno.ENOTDIR,
  );
});

test("a warm READ is answered here and counted; the end of the file cuts it", () => {
  const { ask, handler, counters } = setUp();
  const node = nodeOf("b/c.bin");
  const { body } = ask({ opcode: OP.READ, node, body: readIn({ handle: 9, offset: 1, size: 4096 }) });
  expect([...body]).toEqual([1, 2, 3, 4].map((i) => (2 * 31 + 512 + i) & 255));
  expect(handler.asked).toMatchObject({ row: node - 1, start: 1, end: 5, handle: 9, crossed: false });
  expect([...counters]).toEqual([1, 4, 4, 0]);
  ask({ opcode: OP.READ, node: nodeOf("a.bin"), body: readIn({ offset: 4096, size: 4096 }) });
  expect(handler.asked.crossed).toBe(true);
  expect([...counters]).toEqual([2, 4100, 4100, 4096]);
  expect(ask({ opcode: OP.READ, node, body: readIn({ offset: 5, size: 4096 }) }).body.length).toBe(0);
  expect(ask({ opcode: OP.READ, node, body: readIn({ offset: 2 ** 45, size: 4096 }) }).body.length).toBe(0);
  expect([...counters]).toEqual([2, 4100, 4100, 4096]);
});

test("a READ that the cache does not hold is left to the main thread with what it needs", () => {
  const { send, handler, counters } = setUp();
  const node = nodeOf("cold.bin");
  const offset = 2 ** 41 - 100;
  expect(send({ opcode: OP.READ, node, body: readIn({ handle: 3, offset, size: MAX_READ_BYTES }) })).toBe(DEFERRED);
  expect(handler.asked).toMatchObject({ row: node - 1, start: offset, end: 2 ** 41, handle: 3, crossed: false });
  expect([...counters]).toEqual([0, 0, 0, 0]);
});

test("a READ of what has no bytes, or of more than was agreed, is refused", () => {
  const { ask } = setUp();
  const read = readIn({ offset: 0, size: 4096 });
  expect(ask({ opcode: OP.READ, body: read }).error).toBe(-errno.EISDIR);
  expect(ask({ opcode: OP.READ, node: nodeOf("link"), body: read }).error).toBe(-errno.EINVAL);
  expect(ask({ opcode: OP.READ, node: nodeOf("a.bin"), body: read.subarray(0, 16) }).error).toBe(-errno.EINVAL);
  const long = readIn({ offset: 0, size: MAX_READ_BYTES + 1 });
  expect(ask({ opcode: OP.READ, node: nodeOf("a.bin"), body: long }).error).toBe(-errno.EINVAL);
});

test("STATFS shows the size of what a walk finds, and nothing free", () => {
  const { body } = setUp().ask({ opcode: OP.STATFS });
  expect([body.length, body.readBigUInt64LE(0), body.readBigUInt64LE(8), body.readBigUInt64LE(16)]).toEqual([
    80,
    BigInt(Math.ceil((10_000 + 5 + 2 ** 41) / 4096)),
    0n,
    0n,
  ]);
  expect([body.readUInt32LE(40), body.readUInt32LE(44)]).toEqual([4096, 255]);
});

test("changes are EROFS; what the kernel does better alone is ENOSYS; forgetting has no reply", () => {
  const { ask, send } = setUp();
  for (const opcode of [OP.SETATTR, OP.WRITE, OP.CREATE, OP.MKDIR, OP.UNLINK, OP.RENAME2, OP.SETXATTR, OP.TMPFILE]) {
    expect(ask({ opcode }).error).toBe(-errno.EROFS);
  }
  for (const opcode of [OP.OPENDIR, OP.FLUSH, OP.ACCESS, OP.LSEEK, OP.STATX, OP.POLL, OP.SETLK, OP.INIT, 4096, 0]) {
    expect(ask({ opcode }).error).toBe(-errno.ENOSYS);
  }
  expect(ask({ opcode: OP.IOCTL }).error).toBe(-errno.ENOTTY);
  for (const opcode of [OP.FORGET, OP.BATCH_FORGET, OP.NOTIFY_REPLY]) expect(send({ opcode })).toBe(NO_REPLY);
});

test("any bytes get no reply, a deferral, or a reply of a length that was asked for", () => {
  const { raw } = setUp();
  const valid = fc.record({
    opcode: fc.oneof(fc.constantFrom(...Object.values(OP)), fc.nat(70)),
    node: fc.oneof(fc.nat(tree.rows + 3), fc.maxSafeNat()),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.record({ offset: fc.oneof(fc.nat(20_000), fc.maxSafeNat()), size: fc.nat(2 ** 21) }).map(readIn),
      fc.string({ maxLength: 300 }).map(text),
      fc.constantFrom("a.bin", "b", ".oci", "link").map(text),
    ),
  });
  const mutated = fc
    .tuple(valid.map(message), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }))
    .map(([bytes, changes]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(valid.map(message), mutated, fc.uint8Array({ maxLength: 8192 })), (bytes) => {
      const { length, reply } = raw(bytes);
      if (length === NO_REPLY || length === DEFERRED) return;
      const parsed = parseReply(reply.subarray(0, length));
      expect(parsed.length).toBe(length);
      expect(length).toBeLessThanOrEqual(OUT_HEADER_BYTES + MAX_READ_BYTES);
      expect(parsed.error).toBeLessThanOrEqual(0);
      expect(parsed.error).toBeGreaterThan(-512);
      if (parsed.error !== 0) expect(length).toBe(OUT_HEADER_BYTES);
    }),
    { numRuns: 3000 },
  );
});
