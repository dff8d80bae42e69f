import { constants } from "node:os";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { WarmResult } from "../../src/cache/cache.ts";
import { ROW_FILTERED, ROW_HIDDEN, ROW_LIVE } from "../../src/layers/tree.ts";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { DEFERRED, NO_REPLY } from "../../src/mount/exchange.ts";
import { createHandler } from "../../src/mount/handler.ts";
import { MAX_READ_BYTES, OP, OUT_HEADER_BYTES, REQUEST_BUFFER_BYTES } from "../../src/mount/protocol.ts";
import { treeTotals, type TreeView } from "../../src/mount/tree-view.ts";
import { fields, message, parseDirents, parseReply, readIn, text, type Reply } from "../support/messages.ts";
import { propertyRuns } from "../support/seed.ts";
import {
  childrenOf,
  isDirectory,
  isFile,
  referenceFiles,
  type ReferenceFile,
  type ReferenceFiles,
} from "./reference-files.ts";

const { errno } = constants;
const OWNER = { uid: 1000, gid: 1001, umask: 0o022 };
const MTIME = 1_700_000_000;
const LIVE_SIZE = 77;
/** Source 0 and 1 are cached, 2 is not. */
const SLOTS = Int32Array.of(1, 2, 0);
const XATTRS: readonly Readonly<Record<string, string>>[] = [
  {},
  { "user.a": "1", "user.oci.digest": "sha256:ab" },
  { "user.empty": "", "user.é": "x".repeat(300) },
];

const component = fc.constantFrom("a", "b", "c.bin", "é", "n".repeat(255), "\u{10ffff}", " ", "...");
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((steps) => steps.join("/"));
const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        path,
        size: fc.oneof(fc.nat(20_000), fc.constantFrom(0, 4096, 2 ** 41)),
        source: fc.nat(2),
        offset: fc.constantFrom(0, 512, 2 ** 33),
        mode: fc.nat(0o7777),
        mtime: fc.oneof(fc.integer({ min: -5, max: 2 ** 33 }), fc.constant(1.5)),
        uid: fc.nat(9),
        gid: fc.nat(9),
        flags: fc.constantFrom(0, 0, 0, 0, ROW_HIDDEN, ROW_FILTERED, ROW_LIVE),
      })
      .map((file) => ({ ...file, kind: "file" as const })),
  },
  // Members of a group are alike: which of them decides is not what is asked here.
  {
    weight: 2,
    arbitrary: fc
      .record({ path, group: fc.nat(2) })
      .map(({ path: where, group }) => ({ path: where, kind: "file" as const, group, size: group * 50, source: 1 })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ path, target: fc.string({ minLength: 1, maxLength: 20 }) })
      .map((link) => ({ ...link, kind: "symlink" as const })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ path, mode: fc.nat(0o7777) }).map((at) => ({ ...at, kind: "directory" as const })),
  },
);

/** Without those that are in the way of another, or there twice. */
function compatible(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const kept = new Map<string, TreeEntry>();
  for (const one of entries) {
    const own = String(one.path);
    const clashes = [...kept].some(
      ([other, { kind }]) =>
        other === own ||
        (other.startsWith(`${own}/`) && one.kind !== "directory") ||
        (own.startsWith(`${other}/`) && kind !== "directory"),
    );
    if (!clashes) kept.set(own, one);
  }
  return [...kept.values()];
}

type Step =
  | { readonly kind: "lookup"; readonly pick: number; readonly child: number; readonly name: string | undefined }
  | {
      readonly kind: "getattr" | "readlink" | "statfs" | "forget" | "stale" | "cut";
      readonly pick: number;
      readonly value: number;
    }
  | {
      readonly kind: "list";
      readonly pick: number;
      readonly plus: boolean;
      readonly from: number;
      readonly room: number;
    }
  | { readonly kind: "read"; readonly pick: number; readonly offset: number; readonly size: number }
  | { readonly kind: "getxattr"; readonly pick: number; readonly name: string; readonly room: number }
  | { readonly kind: "listxattr"; readonly pick: number; readonly room: number }
  | { readonly kind: "refused"; readonly pick: number; readonly opcode: number; readonly body: Uint8Array };

const pick = fc.nat(1000);
const room = fc.oneof(fc.nat(400), fc.constantFrom(0, 1, 24, 32, 152, 160, 4096, 2 ** 21, 2 ** 32 - 1));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("lookup" as const),
      pick,
      child: fc.nat(20),
      name: fc.option(
        fc.oneof(fc.constantFrom("", ".", "..", "x/y", "n".repeat(256), "zz", "A"), fc.string({ maxLength: 12 })),
        { nil: undefined, freq: 2 },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "getattr" as const,
        "readlink" as const,
        "statfs" as const,
        "forget" as const,
        "stale" as const,
        "cut" as const,
      ),
      pick,
      value: fc.nat(200),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      pick,
      plus: fc.boolean(),
      from: fc.oneof(fc.nat(12), fc.constantFrom(2 ** 31, 2 ** 53)),
      room,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      pick,
      offset: fc.oneof(fc.nat(25_000), fc.constantFrom(2 ** 40, 2 ** 41 - 1, 2 ** 53 - 1, 2 ** 60)),
      size: fc.oneof(fc.nat(20_000), fc.constantFrom(0, 1, MAX_READ_BYTES, MAX_READ_BYTES + 1, 2 ** 32 - 1)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("getxattr" as const),
      pick,
      name: fc.constantFrom(
        "user.a",
        "user.é",
        "user.empty",
        "user.oci.cached",
        "user.oci.verified",
        "user.none",
        "security.selinux",
        "",
      ),
      room,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("listxattr" as const), pick, room }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("refused" as const),
      pick,
      opcode: fc.oneof(
        fc.constantFrom(
          OP.LSEEK,
          OP.STATX,
          OP.WRITE,
          OP.SETATTR,
          OP.CREATE,
          OP.IOCTL,
          OP.FLUSH,
          OP.ACCESS,
          OP.OPENDIR,
          OP.POLL,
        ),
        fc.integer({ min: 54, max: 5000 }),
      ),
      body: fc.uint8Array({ maxLength: 200 }),
    }),
  },
);

const byteOf = (source: number, at: number): number => (source * 31 + at * 7 + Math.floor(at / 4096)) & 255;

/** A handler driven by bytes, and the reference beside it: numbers are learnt from replies, as a kernel learns them. */
class Mount {
  readonly #files: ReferenceFiles;
  readonly #hasLive: boolean;
  readonly #request = new Uint8Array(REQUEST_BUFFER_BYTES);
  readonly #reply = new Uint8Array(OUT_HEADER_BYTES + MAX_READ_BYTES);
  readonly #handler: ReturnType<typeof createHandler>;
  readonly #rows: number;
  readonly #numbers = new Map<string, number>([["", 1]]);
  readonly #known: ReferenceFile[] = [];
  #unique = 100;

  constructor(entries: readonly TreeEntry[], hasLive: boolean) {
    this.#files = referenceFiles(entries, MTIME);
    this.#hasLive = hasLive;
    const sources = XATTRS.map((xattrs) =>
      Object.entries(xattrs).map(([name, value]) => ({ name, value: new Uint8Array(Buffer.from(value)) })),
    );
    const tree = openTree(buildTree(entries, { sources, mtime: MTIME }));
    this.#rows = tree.rows;
    const view: TreeView = { tree, rootRow: 0, ...OWNER };
    const reader = {
      read: (
        slot: number,
        offset: number,
        length: number,
        target: Uint8Array,
        at: number,
        result: WarmResult,
      ): void => {
        for (let i = 0; i < length; i += 1) target[at + i] = byteOf(slot - 1, offset + i);
        result.bytes = length;
      },
    };
    this.#handler = createHandler({
      view,
      totals: treeTotals(view),
      request: this.#request,
      reply: this.#reply,
      warm: { reader, slots: SLOTS },
      ...(hasLive
        ? {
            live: {
              size: () => LIVE_SIZE,
              xattr: (_, name) => (name === "user.oci.cached" ? Buffer.from("5") : undefined),
            },
          }
        : {}),
    });
    this.#learn(this.#of(""));
  }

  apply(doing: Step): void {
    const file = this.#known[doing.pick % this.#known.length] ?? this.#of("");
    switch (doing.kind) {
      case "lookup":
        return this.#lookup(file, doing);
      case "getattr":
        return this.#getattr(file);
      case "readlink":
        return this.#readlink(file);
      case "statfs":
        return this.#statfs(file);
      case "forget":
        for (const opcode of [OP.FORGET, OP.BATCH_FORGET, OP.NOTIFY_REPLY])
          expect(this.#raw(opcode, file, fields([8, doing.value]))).toBe(NO_REPLY);
        return;
      case "stale": {
        const reply = this.#ask(OP.GETATTR, this.#rows + 2 + doing.value, fields([8, 0], [8, 0]));
        expect(reply).toMatchObject({ error: -errno.ESTALE });
        return;
      }
      case "cut":
        return this.#cut(doing.value);
      case "list":
        return this.#list(file, doing);
      case "read":
        return this.#read(file, doing);
      case "getxattr":
        return this.#getxattr(file, doing);
      case "listxattr":
        return this.#listxattr(file, doing.room);
      case "refused": {
        const changes: readonly number[] = [OP.WRITE, OP.SETATTR, OP.CREATE];
        const expected =
          doing.opcode === OP.IOCTL ? errno.ENOTTY : changes.includes(doing.opcode) ? errno.EROFS : errno.ENOSYS;
        expect(this.#ask(doing.opcode, this.#number(file), doing.body)).toMatchObject({ error: -expected });
      }
    }
  }

  #lookup(parent: ReferenceFile, { child, name }: { readonly child: number; readonly name: string | undefined }): void {
    const children = isDirectory(parent) ? childrenOf(this.#files, parent.path) : [];
    const wanted =
      name === undefined
        ? (children[child % Math.max(1, children.length)]?.name ?? Buffer.from("no"))
        : Buffer.from(name);
    const reply = this.#ask(OP.LOOKUP, this.#number(parent), Buffer.concat([wanted, Buffer.alloc(1)]));
    // The kernel's names end at their first NUL.
    const cut = wanted.includes(0) ? wanted.subarray(0, wanted.indexOf(0)) : wanted;
    if (cut.length === 0) return void expect(reply).toMatchObject({ error: -errno.EINVAL });
    if (cut.length > 255) return void expect(reply).toMatchObject({ error: -errno.ENAMETOOLONG });
    if (!isDirectory(parent)) return void expect(reply).toMatchObject({ error: -errno.ENOTDIR });
    const found = children.find((one) => one.name.equals(cut) && !one.isFiltered);
    if (found === undefined) return expect(bodyOf(reply).readBigUInt64LE(0)).toBe(0n);
    if (found.isLive && !this.#hasLive) return expect(reply).toBe(DEFERRED);
    const body = bodyOf(reply);
    expect(body).toHaveLength(128);
    this.#learn(found, Number(body.readBigUInt64LE(0)));
    expect(body.readBigUInt64LE(16) > 0n).toBe(true);
    expect(body.readBigUInt64LE(24) > 0n).toBe(!found.isLive);
    this.#compareAttributes(body.subarray(40), found);
  }

  #getattr(file: ReferenceFile): void {
    const reply = this.#ask(OP.GETATTR, this.#number(file), fields([4, 0], [4, 0], [8, 0]));
    if (file.isLive && !this.#hasLive) return expect(reply).toBe(DEFERRED);
    expect(bodyOf(reply)).toHaveLength(104);
    this.#compareAttributes(bodyOf(reply).subarray(16), file);
  }

  #compareAttributes(attr: Buffer, file: ReferenceFile): void {
    const size = file.isLive ? LIVE_SIZE : file.size;
    const shown = {
      ino: Number(attr.readBigUInt64LE(0)),
      size: Number(attr.readBigUInt64LE(8)),
      blocks: Number(attr.readBigUInt64LE(16)),
      times: [24, 32, 40].map((at) => Number(attr.readBigInt64LE(at))),
      mode: attr.readUInt32LE(60),
      nlink: attr.readUInt32LE(64),
      uid: attr.readUInt32LE(68),
      gid: attr.readUInt32LE(72),
    };
    const seconds = Math.floor(file.mtime);
    expect(shown).toEqual({
      ino: this.#number(file),
      size,
      blocks: Math.ceil(size / 512),
      times: [seconds, seconds, seconds],
      mode: file.mode & ~OWNER.umask,
      nlink: file.nlink,
      uid: file.uid ?? OWNER.uid,
      gid: file.gid ?? OWNER.gid,
    });
  }

  #readlink(file: ReferenceFile): void {
    const reply = this.#ask(OP.READLINK, this.#number(file), Buffer.alloc(0));
    if (file.target === undefined) return void expect(reply).toMatchObject({ error: -errno.EINVAL });
    expect(bodyOf(reply).equals(file.target)).toBe(true);
  }

  /** What a walk finds: hidden and filtered files are not there, each inode's bytes count once. */
  #statfs(file: ReferenceFile): void {
    const body = bodyOf(this.#ask(OP.STATFS, this.#number(file), Buffer.alloc(0)));
    const seen = [...this.#files.values()].filter((one) => !one.isHidden && !one.isFiltered);
    const inodes = new Map(seen.filter((one) => isFile(one)).map((one) => [one.inode, one.size]));
    const bytes = [...inodes.values()].reduce((sum, size) => sum + size, 0);
    expect([Number(body.readBigUInt64LE(0)), Number(body.readBigUInt64LE(24))]).toEqual([
      Math.ceil(bytes / 4096),
      seen.length,
    ]);
    expect([Number(body.readBigUInt64LE(8)), body.readUInt32LE(40)]).toEqual([0, 4096]);
  }

  #cut(length: number): void {
    const whole = message({ opcode: OP.GETATTR, node: 1, body: new Uint8Array(16) });
    this.#request.set(whole);
    const received = Math.min(length, whole.length + 50);
    const answered = this.#handler.handle(received);
    if (received < 40) expect(answered).toBe(NO_REPLY);
    else if (received !== whole.length) expect(parseReply(this.#reply.subarray(0, answered)).error).toBe(-errno.EIO);
  }

  #list(
    file: ReferenceFile,
    { plus, from, room: size }: { readonly plus: boolean; readonly from: number; readonly room: number },
  ): void {
    const reply = this.#ask(plus ? OP.READDIRPLUS : OP.READDIR, this.#number(file), readIn({ offset: from, size }));
    if (!isDirectory(file)) return void expect(reply).toMatchObject({ error: -errno.ENOTDIR });
    const children = childrenOf(this.#files, file.path);
    const all = [
      { name: ".", file, dots: true },
      { name: "..", file: this.#of(file.parent), dots: true },
      ...children.map((one) => ({ name: one.name.toString(), file: one, dots: false })),
    ];
    const expected: {
      readonly name: string;
      readonly next: number;
      readonly file: ReferenceFile;
      readonly dots: boolean;
    }[] = [];
    let left = Math.min(size, MAX_READ_BYTES);
    for (let at = from; at < all.length; at += 1) {
      const one = all[at];
      if (one === undefined || one.file.isHidden || one.file.isFiltered) continue;
      left -= Math.ceil(((plus ? 128 : 0) + 24 + Buffer.byteLength(one.name)) / 8) * 8;
      if (left < 0) break;
      expected.push({ ...one, next: at + 1 });
    }
    const body = bodyOf(reply);
    const shown = parseDirents(body, plus);
    expect(shown.map(({ name, next, type }) => ({ name, next, type }))).toEqual(
      expected.map(({ name, next, file: one }) => ({ name, next, type: (one.mode & 0o170000) >>> 12 })),
    );
    for (const [at, dirent] of shown.entries()) {
      const { file: one = file, dots = true } = expected[at] ?? {};
      this.#learn(one, dirent.ino, !dots && one.isLive);
      if (!plus) continue;
      // No attributes of dots, and of what changes.
      const isBare = dots || one.isLive;
      expect(dirent.node).toBe(isBare ? 0 : dirent.ino);
      if (!isBare) expect(dirent.size).toBe(one.size);
    }
  }

  #read(file: ReferenceFile, { offset, size }: { readonly offset: number; readonly size: number }): void {
    const reply = this.#ask(OP.READ, this.#number(file), readIn({ offset, size }));
    if (!isFile(file))
      return void expect(reply).toMatchObject({ error: -(isDirectory(file) ? errno.EISDIR : errno.EINVAL) });
    if (size > MAX_READ_BYTES || !Number.isSafeInteger(offset))
      return void expect(reply).toMatchObject({ error: -errno.EINVAL });
    if (file.isLive) return expect(reply).toBe(DEFERRED);
    const end = Math.min(file.size, offset + size);
    if (end <= offset) return expect(bodyOf(reply)).toHaveLength(0);
    if (file.source === undefined || file.source === 2) {
      const { start, end: until, row } = this.#handler.asked;
      return void expect([reply, start, until, row + 1]).toEqual([DEFERRED, offset, end, this.#number(file)]);
    }
    const { source, offset: base } = file;
    const expected = Uint8Array.from({ length: end - offset }, (_, i) => byteOf(source, base + offset + i));
    expect(Buffer.compare(bodyOf(reply), expected)).toBe(0);
  }

  #getxattr(file: ReferenceFile, { name, room: size }: { readonly name: string; readonly room: number }): void {
    const reply = this.#ask(OP.GETXATTR, this.#number(file), Buffer.concat([fields([4, size], [4, 0]), text(name)]));
    const isLive = name === "user.oci.cached" || name === "user.oci.verified";
    if (name === "") return void expect(reply).toMatchObject({ error: -errno.EINVAL });
    if (isLive && !this.#hasLive) return expect(reply).toBe(DEFERRED);
    if (!name.startsWith("user.")) return void expect(reply).toMatchObject({ error: -errno.EOPNOTSUPP });
    const live = name === "user.oci.cached" && isFile(file) ? "5" : undefined;
    const value = isLive ? live : XATTRS[file.source ?? 0]?.[name];
    if (value === undefined) return void expect(reply).toMatchObject({ error: -errno.ENODATA });
    this.#sized(reply, Buffer.from(value), size);
  }

  #listxattr(file: ReferenceFile, size: number): void {
    const reply = this.#ask(OP.LISTXATTR, this.#number(file), fields([4, size], [4, 0]));
    if (isFile(file) && !this.#hasLive) return expect(reply).toBe(DEFERRED);
    const names = [...Object.keys(XATTRS[file.source ?? 0] ?? {}), ...(isFile(file) ? ["user.oci.cached"] : [])];
    this.#sized(reply, Buffer.from(names.map((name) => `${name}\0`).join("")), size);
  }

  #sized(reply: Reply | number, value: Buffer, size: number): void {
    if (size === 0) return expect(bodyOf(reply).readBigUInt64LE(0)).toBe(BigInt(value.length));
    if (value.length > size) return void expect(reply).toMatchObject({ error: -errno.ERANGE });
    expect(bodyOf(reply).equals(value)).toBe(true);
  }

  #of(where: string): ReferenceFile {
    const found = this.#files.get(where);
    if (found === undefined) throw new Error(`the reference has no ${where}`);
    return found;
  }

  #number(file: ReferenceFile): number {
    return this.#numbers.get(file.inode) ?? 0;
  }

  /** The same number for the same inode, another for any other. */
  #learn(file: ReferenceFile, number = this.#number(file), isOnlyListed = false): void {
    const known = this.#numbers.get(file.inode);
    if (known !== undefined) expect(number).toBe(known);
    else expect([...this.#numbers.values()]).not.toContain(number);
    this.#numbers.set(file.inode, number);
    if (!isOnlyListed && !this.#known.includes(file)) this.#known.push(file);
  }

  #raw(opcode: number, file: ReferenceFile, body: Uint8Array): number {
    const bytes = message({ opcode, node: this.#number(file), body });
    this.#request.set(bytes);
    return this.#handler.handle(bytes.length);
  }

  #ask(opcode: number, node: number, body: Uint8Array): Reply | number {
    this.#unique += 2;
    const bytes = message({ opcode, node, body, unique: this.#unique });
    this.#request.set(bytes);
    const length = this.#handler.handle(bytes.length);
    if (length === DEFERRED || length === NO_REPLY) return length;
    const reply = parseReply(this.#reply.subarray(0, length));
    expect([reply.length, reply.unique]).toEqual([length, this.#unique]);
    return reply;
  }
}

function bodyOf(reply: Reply | number): Buffer {
  if (typeof reply === "number") throw new Error(`no reply: ${reply}`);
  expect(reply.error).toBe(0);
  return reply.body;
}

test("a handler answers as a file system made of a map of paths does, reply by reply", () => {
  const types = { files: 0, links: 0 };
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 14 }),
      fc.boolean(),
      fc.array(step, { minLength: 10, maxLength: 60 }),
      (given, hasLive, steps) => {
        const entries = compatible(given);
        types.files += entries.filter(({ kind }) => kind === "file").length;
        types.links += entries.filter(({ group }) => group !== undefined).length;
        const mount = new Mount(entries, hasLive);
        for (const doing of steps) mount.apply(doing);
      },
    ),
    propertyRuns({ numRuns: 400 }),
  );
  // The cases are not all of them empty trees.
  expect(Math.min(types.files, types.links)).toBeGreaterThan(0);
});
