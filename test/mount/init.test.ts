import { expect, test } from "vitest";
import { negotiate } from "../../src/mount/init.ts";
import { INIT, INIT2, INIT_OUT_BYTES, OP } from "../../src/mount/protocol.ts";
import { fields, message, parseReply } from "../support/messages.ts";

const EVERYTHING = 0x7fff_ffff;

function init(version: readonly [number, number], flags: number, flags2?: number): Uint8Array {
  const words: (readonly [4, number])[] = [
    [4, version[0]],
    [4, version[1]],
    [4, 1 << 20],
    [4, flags],
  ];
  if (flags2 !== undefined) words.push([4, flags2], ...Array.from({ length: 11 }, () => [4, 0] as const));
  return message({ opcode: OP.INIT, node: 0, body: fields(...words) });
}

test("a kernel of today: everything that is wanted and no more", () => {
  const answer = negotiate(init([7, 45], EVERYTHING, 0xffff_ffff), { passthrough: true });
  if (answer.kind !== "ready") throw new Error(answer.kind);
  expect(answer.abilities).toEqual({ minor: 45, directMmap: true, passthrough: true });
  const { body, error } = parseReply(answer.reply);
  expect([error, body.length, body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([0, INIT_OUT_BYTES, 7, 45]);
  expect([body.readUInt32LE(8), body.readUInt16LE(16), body.readUInt16LE(18)]).toEqual([131_072, 64, 48]);
  expect([body.readUInt32LE(20), body.readUInt32LE(24), body.readUInt16LE(28)]).toEqual([4096, 1, 256]);
  const flags = body.readUInt32LE(12);
  // FUSE_POSIX_LOCKS, FLOCK_LOCKS, AUTO_INVAL_DATA, WRITEBACK_CACHE, NO_OPEN_SUPPORT: locks stay local, opens come to us.
  for (const bit of [1, 10, 12, 16, 17]) expect(flags & (1 << bit)).toBe(0);
  for (const flag of [INIT.MAX_PAGES, INIT.NO_OPENDIR_SUPPORT, INIT.READDIRPLUS_AUTO, INIT.INIT_EXT]) {
    expect(flags & flag).toBe(flag);
  }
  expect(body.readUInt32LE(32)).toBe(INIT2.DIRECT_IO_ALLOW_MMAP | INIT2.PASSTHROUGH);
  expect(body.readUInt32LE(36)).toBe(1);
});

test("without the right to back files, no passthrough is asked for", () => {
  const answer = negotiate(init([7, 45], EVERYTHING, 0xffff_ffff), { passthrough: false });
  if (answer.kind !== "ready") throw new Error(answer.kind);
  expect(answer.abilities.passthrough).toBe(false);
  const { body } = parseReply(answer.reply);
  expect([body.readUInt32LE(32), body.readUInt32LE(36)]).toEqual([INIT2.DIRECT_IO_ALLOW_MMAP, 0]);
});

test("Linux 5.4: no second word of flags, its own minor", () => {
  const answer = negotiate(init([7, 31], 0x1ff_ffff), { passthrough: true });
  if (answer.kind !== "ready") throw new Error(answer.kind);
  expect(answer.abilities).toEqual({ minor: 31, directMmap: false, passthrough: false });
  const { body } = parseReply(answer.reply);
  expect([body.readUInt32LE(4), body.readUInt32LE(32)]).toEqual([31, 0]);
  expect(body.readUInt32LE(12) & INIT.INIT_EXT).toBe(0);
});

test("flags2 without INIT_EXT, or cut off, are no flags", () => {
  const noExt = negotiate(init([7, 45], EVERYTHING & ~INIT.INIT_EXT, 0xffff_ffff), { passthrough: true });
  expect(noExt.kind === "ready" && noExt.abilities.directMmap).toBe(false);
  const cut = negotiate(init([7, 45], EVERYTHING), { passthrough: true });
  expect(cut.kind === "ready" && cut.abilities.directMmap).toBe(false);
});

test("an older kernel is refused by name; a newer major is asked once more; nonsense is refused", () => {
  const old = negotiate(init([7, 27], EVERYTHING), { passthrough: true });
  if (old.kind !== "refused") throw new Error(old.kind);
  expect([old.error.code, old.error.message]).toEqual(["machine", "the kernel speaks FUSE 7.27"]);
  expect(parseReply(old.reply).error).toBe(-71);
  expect(negotiate(init([6, 99], EVERYTHING), { passthrough: true }).kind).toBe("refused");
  const next = negotiate(init([8, 0], EVERYTHING), { passthrough: true });
  expect([next.kind, parseReply(next.reply).body.readUInt32LE(0)]).toEqual(["again", 7]);
  expect(negotiate(message({ opcode: OP.LOOKUP, body: new Uint8Array(64) }), { passthrough: true }).kind).toBe(
    "refused",
  );
  const nothing = negotiate(new Uint8Array(3), { passthrough: true });
  expect([nothing.kind, nothing.reply.length]).toEqual(["refused", 0]);
});
