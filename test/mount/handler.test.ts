import { constants } from "node:os";
import { expect, test } from "vitest";
import { DEFERRED, NO_REPLY } from "../../src/mount/exchange.ts";
import { MAX_READ_BYTES, OP } from "../../src/mount/protocol.ts";
import { LONG_NAME, nodeOf, setUpHandler as setUp, tree } from "../support/handler.ts";
import { fields, parseDirents, readIn, text, type MessageSpec, type Reply } from "../support/messages.ts";

const { errno } = constants;
const DAY = 86_400n;

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
