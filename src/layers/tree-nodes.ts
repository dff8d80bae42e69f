import { NONE } from "./tree.ts";

/** Columns of a tree that is being built, in the order in which paths arrived. Node 0 is the root. */
export interface NodeColumns {
  readonly parent: Uint32Array;
  readonly nameStart: Uint32Array;
  readonly nameLength: Uint8Array;
  readonly mode: Uint16Array;
  readonly flags: Uint16Array;
  readonly size: Float64Array;
  readonly mtime: Float64Array;
  readonly offset: Float64Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  readonly source: Uint32Array;
  readonly group: Uint32Array;
  /** Number of the link text in the builder's list, or NONE. */
  readonly target: Uint32Array;
}

export function nodeColumns(capacity: number): NodeColumns {
  return {
    parent: new Uint32Array(capacity),
    nameStart: new Uint32Array(capacity),
    nameLength: new Uint8Array(capacity),
    mode: new Uint16Array(capacity),
    flags: new Uint16Array(capacity),
    size: new Float64Array(capacity),
    mtime: new Float64Array(capacity),
    offset: new Float64Array(capacity),
    uid: new Uint32Array(capacity).fill(NONE),
    gid: new Uint32Array(capacity).fill(NONE),
    source: new Uint32Array(capacity).fill(NONE),
    group: new Uint32Array(capacity).fill(NONE),
    target: new Uint32Array(capacity).fill(NONE),
  };
}

/** The same nodes in columns of twice the capacity. */
export function grownColumns(old: NodeColumns): NodeColumns {
  const grown = nodeColumns(old.parent.length * 2);
  grown.parent.set(old.parent);
  grown.nameStart.set(old.nameStart);
  grown.nameLength.set(old.nameLength);
  grown.mode.set(old.mode);
  grown.flags.set(old.flags);
  grown.size.set(old.size);
  grown.mtime.set(old.mtime);
  grown.offset.set(old.offset);
  grown.uid.set(old.uid);
  grown.gid.set(old.gid);
  grown.source.set(old.source);
  grown.group.set(old.group);
  grown.target.set(old.target);
  return grown;
}
