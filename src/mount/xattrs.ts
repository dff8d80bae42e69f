import { constants } from "node:os";
import { S_IFREG, type Row } from "../layers/tree.ts";
import { TYPE_BITS, type TreeView } from "./tree-view.ts";

const { errno } = constants;

/** Change while the mount lives, so only the main thread knows them (INTERFACE 3.8). */
export const LIVE_XATTRS: readonly string[] = ["user.oci.verified", "user.oci.cached"];
/** Linux's XATTR_SIZE_MAX, for values and for lists. */
export const XATTR_BYTES_MAX = 65_536;

export type LiveXattr = (row: Row, name: string) => Uint8Array | undefined;

/** Only regular files have attributes that change. */
export function hasLiveXattrs(view: TreeView, row: Row): boolean {
  return (view.tree.mode(row) & TYPE_BITS) === S_IFREG;
}

/**
 * The value, or a positive errno. Names outside `user.` are not supported at all, which `ls` and the like remember for
 * the file system, where "no such attribute" makes them ask again for each file.
 */
export function xattrValue(view: TreeView, row: Row, name: string, live: LiveXattr): Uint8Array | number {
  if (!name.startsWith("user.")) return errno.EOPNOTSUPP;
  const value = LIVE_XATTRS.includes(name)
    ? hasLiveXattrs(view, row)
      ? live(row, name)
      : undefined
    : view.tree.xattr(row, name);
  if (value === undefined) return errno.ENODATA;
  return value.length > XATTR_BYTES_MAX ? errno.E2BIG : value;
}

/** Each name once, and a NUL. The tree lists live names too, without a value, where their source is known to have them. */
export function xattrNames(view: TreeView, row: Row, live: LiveXattr): Uint8Array | number {
  const lasting = view.tree.xattrNames(row);
  const listed = Buffer.from(lasting.buffer, lasting.byteOffset, lasting.length).toString("utf8").split("\0");
  const changing = hasLiveXattrs(view, row)
    ? LIVE_XATTRS.filter((name) => !listed.includes(name) && live(row, name) !== undefined)
    : [];
  const names = Buffer.concat([lasting, ...changing.map((name) => Buffer.from(`${name}\0`, "utf8"))]);
  return names.length > XATTR_BYTES_MAX ? errno.E2BIG : names;
}
