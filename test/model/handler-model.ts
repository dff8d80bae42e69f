import { constants } from "node:os";
import { expect } from "vitest";
import type { WarmResult } from "../../src/cache/cache.ts";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { DEFERRED, NO_REPLY } from "../../src/mount/exchange.ts";
import { createHandler } from "../../src/mount/handler.ts";
import { MAX_READ_BYTES, OP, OUT_HEADER_BYTES, REQUEST_BUFFER_BYTES } from "../../src/mount/protocol.ts";
import { treeTotals, type TreeView } from "../../src/mount/tree-view.ts";
import { bodyOf, fields, message, parseDirents, parseReply, readIn, text, type Reply } from "../support/messages.ts";
import { byteOf, SLOTS, XATTRS, type Step } from "./handler-steps.ts";
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
/** A handler driven by bytes, and the reference beside it: numbers are learnt from replies, as a kernel learns them. */
export class ModelMount {
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
    if (cut.length === 0) return expect(reply).toMatchObject({ error: -errno.EINVAL });
    if (cut.length > 255) return expect(reply).toMatchObject({ error: -errno.ENAMETOOLONG });
    if (!isDirectory(parent)) return expect(reply).toMatchObject({ error: -errno.ENOTDIR });
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
    if (file.target === undefined) return expect(reply).toMatchObject({ error: -errno.EINVAL });
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
    if (!isDirectory(file)) return expect(reply).toMatchObject({ error: -errno.ENOTDIR });
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
      return expect(reply).toMatchObject({ error: -(isDirectory(file) ? errno.EISDIR : errno.EINVAL) });
    if (size > MAX_READ_BYTES || !Number.isSafeInteger(offset))
      return expect(reply).toMatchObject({ error: -errno.EINVAL });
    if (file.isLive) return expect(reply).toBe(DEFERRED);
    const end = Math.min(file.size, offset + size);
    if (end <= offset) return expect(bodyOf(reply)).toHaveLength(0);
    if (file.source === undefined || file.source === 2) {
      const { start, end: until, row } = this.#handler.asked;
      return expect([reply, start, until, row + 1]).toEqual([DEFERRED, offset, end, this.#number(file)]);
    }
    const { source, offset: base } = file;
    const expected = Uint8Array.from({ length: end - offset }, (_, i) => byteOf(source, base + offset + i));
    expect(Buffer.compare(bodyOf(reply), expected)).toBe(0);
  }

  #getxattr(file: ReferenceFile, { name, room: size }: { readonly name: string; readonly room: number }): void {
    const reply = this.#ask(OP.GETXATTR, this.#number(file), Buffer.concat([fields([4, size], [4, 0]), text(name)]));
    const isLive = name === "user.oci.cached" || name === "user.oci.verified";
    if (name === "") return expect(reply).toMatchObject({ error: -errno.EINVAL });
    if (isLive && !this.#hasLive) return expect(reply).toBe(DEFERRED);
    if (!name.startsWith("user.")) return expect(reply).toMatchObject({ error: -errno.EOPNOTSUPP });
    const live = name === "user.oci.cached" && isFile(file) ? "5" : undefined;
    const value = isLive ? live : XATTRS[file.source ?? 0]?.[name];
    if (value === undefined) return expect(reply).toMatchObject({ error: -errno.ENODATA });
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
    if (value.length > size) return expect(reply).toMatchObject({ error: -errno.ERANGE });
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
