import { constants } from "node:os";
import { NONE, S_IFDIR, S_IFLNK, type Row } from "../layers/tree.ts";
import { putAttrOut, putEntryOut, putNoEntryOut } from "./attributes.ts";
import { DEFERRED, done, fail, NAME_BYTES_MAX, presentSize, stringEnd, type Exchange } from "./exchange.ts";
import { putListing } from "./listing.ts";
import {
  getU32,
  getU64,
  GETXATTR_OUT_BYTES,
  IN_HEADER_BYTES,
  MAX_READ_BYTES,
  OP,
  OUT_HEADER_BYTES,
  putU32,
  putU64,
  READ_IN_BYTES,
  STATFS_OUT_BYTES,
} from "./protocol.ts";
import { TYPE_BITS } from "./tree-view.ts";
import { hasLiveXattrs, LIVE_XATTRS, xattrNames, xattrValue } from "./xattrs.ts";

const { errno } = constants;

/** The requests that the tree alone answers, about a row that exists. */
export function answerMetadata(exchange: Exchange, asked: { opcode: number; row: Row; received: number }): number {
  const { opcode, row, received } = asked;
  switch (opcode) {
    case OP.LOOKUP:
      return answerLookup(exchange, row, received);
    case OP.GETATTR:
      return answerGetattr(exchange, row);
    case OP.READLINK:
      return answerReadlink(exchange, row);
    case OP.GETXATTR:
      return answerGetxattr(exchange, row, received);
    case OP.LISTXATTR:
      return answerListxattr(exchange, row, received);
    default:
      return answerListing(exchange, asked);
  }
}

function answerLookup(exchange: Exchange, parent: Row, received: number): number {
  const { view, out } = exchange;
  const end = stringEnd(exchange, IN_HEADER_BYTES, received);
  if (end <= IN_HEADER_BYTES) return fail(exchange, errno.EINVAL);
  if (end - IN_HEADER_BYTES > NAME_BYTES_MAX) return fail(exchange, errno.ENAMETOOLONG);
  if ((view.tree.mode(parent) & TYPE_BITS) !== S_IFDIR) return fail(exchange, errno.ENOTDIR);
  const row = view.tree.lookupIn(parent, exchange.request, IN_HEADER_BYTES, end);
  if (row === NONE) return done(exchange, putNoEntryOut(out, OUT_HEADER_BYTES));
  const size = presentSize(exchange, row);
  return size === DEFERRED ? DEFERRED : done(exchange, putEntryOut(out, OUT_HEADER_BYTES, { view, row, size }));
}

function answerGetattr(exchange: Exchange, row: Row): number {
  const { view, out } = exchange;
  const size = presentSize(exchange, row);
  return size === DEFERRED ? DEFERRED : done(exchange, putAttrOut(out, OUT_HEADER_BYTES, { view, row, size }));
}

function answerReadlink(exchange: Exchange, row: Row): number {
  const { tree } = exchange.view;
  const target = (tree.mode(row) & TYPE_BITS) === S_IFLNK ? tree.target(row) : undefined;
  if (target === undefined) return fail(exchange, errno.EINVAL);
  // The kernel keeps a link's text in one page and ends it with a NUL of its own.
  if (target.length >= 4096) return fail(exchange, errno.ENAMETOOLONG);
  exchange.reply.set(target, OUT_HEADER_BYTES);
  return done(exchange, target.length);
}

function answerListing(exchange: Exchange, asked: { opcode: number; row: Row; received: number }): number {
  const { input, view } = exchange;
  const { row, opcode, received } = asked;
  if ((view.tree.mode(row) & TYPE_BITS) !== S_IFDIR) return fail(exchange, errno.ENOTDIR);
  if (received < IN_HEADER_BYTES + READ_IN_BYTES) return fail(exchange, errno.EINVAL);
  const position = getU64(input, IN_HEADER_BYTES + 8);
  const room = Math.min(getU32(input, IN_HEADER_BYTES + 16), MAX_READ_BYTES);
  const space = {
    out: exchange.out,
    bytes: exchange.reply,
    start: OUT_HEADER_BYTES,
    end: OUT_HEADER_BYTES + room,
  };
  const end = putListing(view, { row, position, plus: opcode === OP.READDIRPLUS }, space);
  return done(exchange, end - OUT_HEADER_BYTES);
}

function answerGetxattr(exchange: Exchange, row: Row, received: number): number {
  const at = IN_HEADER_BYTES + 8;
  const end = stringEnd(exchange, at, received);
  if (end <= at) return fail(exchange, errno.EINVAL);
  const name = Buffer.from(exchange.request.subarray(at, end)).toString("utf8");
  if (exchange.live === undefined && LIVE_XATTRS.includes(name)) return DEFERRED;
  return answerXattr(exchange, xattrValue(exchange.view, row, name, exchange.live?.xattr ?? (() => undefined)));
}

function answerListxattr(exchange: Exchange, row: Row, received: number): number {
  if (received < IN_HEADER_BYTES + 8) return fail(exchange, errno.EINVAL);
  if (exchange.live === undefined && hasLiveXattrs(exchange.view, row)) return DEFERRED;
  return answerXattr(exchange, xattrNames(exchange.view, row, exchange.live?.xattr ?? (() => undefined)));
}

/** A size of 0 asks how long the value is; a smaller one than that is ERANGE. */
function answerXattr(exchange: Exchange, value: Uint8Array | number): number {
  if (typeof value === "number") return fail(exchange, value);
  const room = getU32(exchange.input, IN_HEADER_BYTES);
  if (room === 0) {
    putU64(exchange.out, OUT_HEADER_BYTES, value.length);
    return done(exchange, GETXATTR_OUT_BYTES);
  }
  if (value.length > room) return fail(exchange, errno.ERANGE);
  exchange.reply.set(value, OUT_HEADER_BYTES);
  return done(exchange, value.length);
}

/** struct fuse_kstatfs: the tree's size and nothing free (INTERFACE 3.4). Blocks are pages. */
export function answerStatfs(exchange: Exchange): number {
  const { out } = exchange;
  const at = OUT_HEADER_BYTES;
  for (let field = at; field < at + STATFS_OUT_BYTES; field += 8) putU64(out, field, 0);
  putU64(out, at, Math.ceil(exchange.totals.bytes / 4096));
  putU64(out, at + 24, exchange.totals.files);
  putU32(out, at + 40, 4096);
  putU32(out, at + 44, NAME_BYTES_MAX);
  putU32(out, at + 48, 4096);
  return done(exchange, STATFS_OUT_BYTES);
}
