import { constants } from "node:os";
import type { Served } from "../artifact/served.ts";
import { NONE, ROW_FILTERED, ROW_HIDDEN, ROW_LIVE, S_IFLNK, S_IFREG, type Row } from "../layers/tree.ts";
import { sizeOf } from "./attributes.ts";
import { errnoOf } from "./errno.ts";
import type { FuseNative, FuseOperations, FuseStat, Signal } from "./fuse-native.ts";
import { hasLongName, nameText, rowAtPath } from "./tree-path.ts";
import { isDirectory, nodeOf, treeTotals, TYPE_BITS, type TreeView } from "./tree-view.ts";
import { xattrNames, xattrValue } from "./xattrs.ts";

const { errno } = constants;

export interface LibfuseOptions {
  readonly view: TreeView;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

interface OpenFile {
  readonly row: Row;
  readonly aborter: AbortController;
}

export interface LibfuseOperations {
  readonly operations: FuseOperations;
  /** Replaces the handlers whose public form hides what they need. */
  install(fuse: FuseNative): void;
  /** Ends the reads that wait, as their readers are gone. */
  interrupt(): void;
  /** Gives every open file back. */
  close(): void;
}

/** libfuse keeps a handle in 32 bits with a sign, and takes 0 for none. */
const MAX_HANDLE = 0x7fff_ffff;
const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const STAT_WORDS = 18;
const WORD = 0x1_0000_0000;

/** A mounted tree as fuse-native's callbacks. Everything is answered, a bug with EIO: libfuse waits for ever otherwise. */
export function libfuseOperations(served: Served, options: LibfuseOptions): LibfuseOperations {
  const { view } = options;
  const { tree } = view;
  const open = new Map<number, OpenFile>();
  let lastHandle = 0;

  /** Gives the row to `use`, or answers with the errno of what went wrong. */
  const withRow = (path: string, fail: (result: number) => void, use: (row: Row) => void): void => {
    try {
      const row = rowAtPath(view, path);
      if (row === NONE) fail(hasLongName(path) ? -errno.ENAMETOOLONG : -errno.ENOENT);
      else use(row);
    } catch (error) {
      options.onError(error);
      fail(-errnoOf(error));
    }
  };
  const nextHandle = (): number => {
    do lastHandle = lastHandle >= MAX_HANDLE ? 1 : lastHandle + 1;
    while (open.has(lastHandle));
    return lastHandle;
  };
  const live = (row: Row, name: string): Uint8Array | undefined => served.liveXattr(row, name);
  const isLive = (row: Row): boolean => (tree.flags(row) & ROW_LIVE) !== 0;
  const present = (row: Row): number => (isLive(row) ? served.liveSize(row) : sizeOf(view, row));

  const read = async (file: OpenFile, handle: number, target: Buffer, position: number): Promise<number> => {
    const { row } = file;
    const end = isLive(row) ? position + target.length : Math.min(position + target.length, tree.size(row));
    if (position >= end) return 0;
    const bytes = await served.read(row, { start: position, end }, { handle, signal: file.aborter.signal });
    if (bytes.length > target.length || (!isLive(row) && bytes.length !== end - position)) return -errno.EIO;
    target.set(bytes);
    return bytes.length;
  };

  const operations: FuseOperations = {
    getattr: (path, done) =>
      withRow(path, done, (row) => done(0, statOf(view, { row, size: present(row), now: options.now }))),
    readlink: (path, done) =>
      withRow(path, done, (row) => {
        const target = tree.target(row);
        if ((tree.mode(row) & TYPE_BITS) !== S_IFLNK || target === undefined) done(-errno.EINVAL);
        else done(0, nameText(target));
      }),
    open: (path, _flags, done) =>
      withRow(path, done, (row) => {
        if (isDirectory(view, row)) return done(-errno.EISDIR);
        if ((tree.mode(row) & TYPE_BITS) !== S_IFREG) return done(-errno.EINVAL);
        const handle = nextHandle();
        served.open(row, handle);
        open.set(handle, { row, aborter: new AbortController() });
        return done(0, handle);
      }),
    read: (_path, handle, buffer, _length, position, done) => {
      const file = open.get(handle);
      if (file === undefined) return done(-errno.EBADF);
      return void answerLater(read(file, handle, buffer, position), done);
    },
    release: (_path, handle, done) => {
      const file = open.get(handle);
      open.delete(handle);
      if (file !== undefined) served.release(file.row, handle);
      done(0);
    },
    statfs: (_path, done) => done(0, statfsOf(totals)),
    readdir: unused,
    getxattr: unused,
    listxattr: unused,
  };
  const totals = treeTotals(view);

  return {
    operations,
    install: (fuse) => {
      fuse._op_readdir = (signal, path) => withRow(path, signal, (row) => listing(view, row, signal));
      fuse._op_getxattr = (signal, path, name, buffer) => {
        const answer = (result: number): void => signal(result, buffer.buffer);
        withRow(path, answer, (row) => answer(fill(xattrValue(view, row, name, live), buffer)));
      };
      fuse._op_listxattr = (signal, path, buffer) => {
        const answer = (result: number): void => signal(result, buffer.buffer);
        withRow(path, answer, (row) => answer(fill(xattrNames(view, row, live), buffer)));
      };
    },
    interrupt: () => {
      for (const file of open.values()) file.aborter.abort();
    },
    close: () => {
      for (const [handle, file] of open) served.release(file.row, handle);
      open.clear();
    },
  };
}

async function answerLater(answer: Promise<number>, done: (result: number) => void): Promise<void> {
  let result: number;
  try {
    result = await answer;
  } catch (error) {
    result = -errnoOf(error);
  }
  done(result);
}

function unused(): void {
  // Answered by what `install` puts in its place.
}

/** A buffer of no bytes asks how long the value is. */
function fill(value: Uint8Array | number, buffer: Buffer): number {
  if (typeof value === "number") return -value;
  if (buffer.length === 0) return value.length;
  if (value.length > buffer.length) return -errno.ERANGE;
  buffer.set(value);
  return value.length;
}

/** fuse-native carries inode numbers in 32 bits and times in unsigned milliseconds. */
function statOf(
  view: TreeView,
  entry: { readonly row: Row; readonly size: number; readonly now: () => number },
): FuseStat {
  const { row, size } = entry;
  const { tree } = view;
  const uid = tree.uid(row);
  const gid = tree.gid(row);
  // A new time at every look makes the kernel drop what it kept of a file that changes.
  const time = (tree.flags(row) & ROW_LIVE) === 0 ? Math.max(0, Math.floor(tree.mtime(row)) * 1000) : entry.now();
  return {
    mode: tree.mode(row) & ~view.umask,
    uid: uid === NONE ? view.uid : uid,
    gid: gid === NONE ? view.gid : gid,
    size,
    dev: 0,
    nlink: tree.nlink(row),
    ino: nodeOf(view, row) % WORD,
    rdev: 0,
    blksize: BLOCK_BYTES,
    blocks: Math.ceil(size / SECTOR_BYTES),
    atime: time,
    mtime: time,
    ctime: time,
  };
}

/** All names at once, as fuse-native wants them, each with the two words of its attributes that libfuse passes on. */
function listing(view: TreeView, directory: Row, signal: Signal): void {
  if (!isDirectory(view, directory)) return signal(-errno.ENOTDIR);
  const { tree } = view;
  const first = tree.firstChild(directory);
  const parent = directory === view.rootRow ? directory : tree.parent(directory);
  const rows: Row[] = [directory, parent === NONE ? directory : parent];
  const names: string[] = [".", ".."];
  for (let row = first; row < first + tree.childCount(directory); row += 1) {
    if ((tree.flags(row) & (ROW_HIDDEN | ROW_FILTERED)) !== 0) continue;
    rows.push(row);
    names.push(nameText(tree.name(row)));
  }
  const words = new Uint32Array(rows.length * STAT_WORDS);
  const stats = rows.map((row, place) => {
    const at = place * STAT_WORDS;
    words[at] = tree.mode(row);
    words[at + 7] = nodeOf(view, row) % WORD;
    return words.subarray(at, at + STAT_WORDS);
  });
  return signal(0, names, stats);
}

/** The tree's size and nothing free; larger blocks where their number would not fit into 32 bits. */
function statfsOf(totals: { readonly bytes: number; readonly files: number }): Readonly<Record<string, number>> {
  let block = BLOCK_BYTES;
  while (totals.bytes / block >= WORD) block *= 2;
  const blocks = Math.ceil(totals.bytes / block);
  return {
    bsize: block,
    frsize: block,
    blocks,
    bfree: 0,
    bavail: 0,
    files: totals.files,
    ffree: 0,
    favail: 0,
    namemax: 255,
  };
}
