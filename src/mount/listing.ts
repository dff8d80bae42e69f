import { NONE, ROW_FILTERED, ROW_HIDDEN, ROW_LIVE, type Row } from "../layers/tree.ts";
import { putEntryOut, putNoEntryOut, sizeOf } from "./attributes.ts";
import { align8, DIRENT_BYTES, ENTRY_OUT_BYTES, putU32, putU64 } from "./protocol.ts";
import { nodeOf, TYPE_BITS, type TreeView } from "./tree-view.ts";

const DOT = 0x2e;
const UNLISTED = ROW_HIDDEN | ROW_FILTERED;

/** Where a reply's entries go: not at or past `end`. */
export interface ListingSpace {
  readonly out: DataView;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export interface ListingRequest {
  readonly row: Row;
  /** Of the first entry wanted: 0 is `.`, 1 `..`, then 2 + the child's place among all children, listed or not. */
  readonly position: number;
  /** READDIRPLUS: each entry with its attributes, which saves the kernel a LOOKUP. */
  readonly plus: boolean;
}

/**
 * Writes as many entries as fit and returns where they end. A position names the same entry in every pass, so a listing
 * may be left and taken up anywhere; beyond the last there are none.
 */
export function putListing(view: TreeView, request: ListingRequest, space: ListingSpace): number {
  const { tree } = view;
  const children = tree.childCount(request.row);
  let at = space.start;
  for (let position = Math.max(0, request.position); position < children + 2; position += 1) {
    const row = rowAt(view, request.row, position);
    if (position >= 2 && (tree.flags(row) & UNLISTED) !== 0) continue;
    const dots = position < 2 ? position + 1 : 0;
    const nameBytes = dots === 0 ? tree.nameBytes(row) : dots;
    const head = request.plus ? ENTRY_OUT_BYTES : 0;
    const next = at + align8(head + DIRENT_BYTES + nameBytes);
    if (next > space.end) break;
    if (request.plus) putPlus(view, { row, dots: dots > 0 }, space.out, at);
    putDirent(view, { row, nameBytes, dots, next: position + 1 }, space, at + head);
    at = next;
  }
  return at;
}

function rowAt(view: TreeView, directory: Row, position: number): Row {
  if (position === 0) return directory;
  if (position >= 2) return view.tree.firstChild(directory) + position - 2;
  const parent = directory === view.rootRow ? directory : view.tree.parent(directory);
  return parent === NONE ? directory : parent;
}

/** The kernel keeps no count of dots, and attributes of files that change are not worth giving. */
function putPlus(view: TreeView, entry: { row: Row; dots: boolean }, out: DataView, at: number): void {
  const { row, dots } = entry;
  if (dots || (view.tree.flags(row) & ROW_LIVE) !== 0) putNoEntryOut(out, at);
  else putEntryOut(out, at, { view, row, size: sizeOf(view, row) });
}

function putDirent(
  view: TreeView,
  entry: { row: Row; nameBytes: number; dots: number; next: number },
  space: ListingSpace,
  at: number,
): void {
  const { row, nameBytes, dots, next } = entry;
  const name = at + DIRENT_BYTES;
  putU64(space.out, at, nodeOf(view, row));
  putU64(space.out, at + 8, next);
  putU32(space.out, at + 16, nameBytes);
  putU32(space.out, at + 20, (view.tree.mode(row) & TYPE_BITS) >>> 12);
  if (dots > 0) space.bytes.fill(DOT, name, name + dots);
  else view.tree.copyName(row, space.bytes, name);
  space.bytes.fill(0, name + nameBytes, align8(name + nameBytes));
}
