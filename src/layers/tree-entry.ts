/** One path of a tree to be built. Directories that only occur inside paths need no entry of their own. */
export interface TreeEntry {
  /** `/`-separated components of 1 to 255 bytes, none of them `.` or `..`; a string stands for its UTF-8. */
  readonly path: string | Uint8Array;
  readonly kind: "file" | "directory" | "symlink";
  /** The twelve permission bits; default 0444, 0555 and 0777. */
  readonly mode?: number;
  /** Of a file, in bytes; a link's is the length of its target. */
  readonly size?: number;
  /** Seconds since the epoch; default that of `TreeDefaults`. */
  readonly mtime?: number;
  /** Default: the mounting user's. */
  readonly uid?: number;
  readonly gid?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly target?: string | Uint8Array;
  /** Entries of one group are hard links of one inode, with the attributes of the last of them that was added. */
  readonly group?: number;
  readonly flags?: number;
}

/** What directories that no entry describes look like, and the time of entries that have none. */
export interface TreeDefaults {
  readonly directoryMode?: number;
  readonly mtime?: number;
}
