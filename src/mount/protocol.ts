/**
 * Numbers and layouts of the kernel's FUSE protocol. Source: include/uapi/linux/fuse.h, ABI 7.31 (Linux 5.4) to 7.45
 * (Linux 6.18). Fields are in the machine's byte order, which Node's platforms with FUSE have little-endian; s390x is
 * not served.
 */
const LITTLE_ENDIAN = true;

export const KERNEL_MAJOR = 7;
/** First with FUSE_NO_OPENDIR_SUPPORT answers cached by the kernel and 1 MiB requests (Linux 5.4). */
export const OLDEST_MINOR = 31;
/** Newest minor whose layouts this file knows; a newer kernel speaks it. */
export const NEWEST_MINOR = 45;

/** enum fuse_opcode. */
export const OP = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const;

/** INIT flags of the first word. */
export const INIT = {
  ASYNC_READ: 0x1,
  DO_READDIRPLUS: 0x2000,
  READDIRPLUS_AUTO: 0x4000,
  ASYNC_DIO: 0x8000,
  PARALLEL_DIROPS: 0x40000,
  MAX_PAGES: 0x400000,
  CACHE_SYMLINKS: 0x800000,
  NO_OPENDIR_SUPPORT: 0x1000000,
  INIT_EXT: 0x40000000,
} as const;

/** INIT flags of the second word (`flags2`: bit 32 and up of the kernel's 64). */
export const INIT2 = {
  DIRECT_IO_ALLOW_MMAP: 0x10,
  PASSTHROUGH: 0x20,
} as const;

/** struct fuse_open_out.open_flags. */
export const FOPEN = {
  DIRECT_IO: 0x1,
  KEEP_CACHE: 0x2,
  PASSTHROUGH: 0x80,
} as const;

/** struct fuse_in_header: len 0, opcode 4, unique 8, nodeid 16, uid 24, gid 28, pid 32. */
export const IN_HEADER_BYTES = 40;
/** struct fuse_out_header: len 0, error 4, unique 8. */
export const OUT_HEADER_BYTES = 16;

/** struct fuse_attr: ino 0, size 8, blocks 16, times 24, 32, 40, nanoseconds 48, 52, 56, mode 60, nlink 64, uid 68, gid 72, rdev 76, blksize 80, flags 84. */
const ATTR_BYTES = 88;
/** struct fuse_attr_out: attr_valid 0, attr_valid_nsec 8, attr 16. */
export const ATTR_OUT_BYTES: number = 16 + ATTR_BYTES;
/** struct fuse_entry_out: nodeid 0, generation 8, entry_valid 16, attr_valid 24, nanoseconds 32 and 36, attr 40. */
export const ENTRY_OUT_BYTES: number = 40 + ATTR_BYTES;
/** struct fuse_open_out: fh 0, open_flags 8, backing_id 12. */
export const OPEN_OUT_BYTES = 16;
/** struct fuse_kstatfs. */
export const STATFS_OUT_BYTES = 80;
/** struct fuse_getxattr_out: size 0. */
export const GETXATTR_OUT_BYTES = 8;
/** struct fuse_init_out since 7.23. */
export const INIT_OUT_BYTES = 64;
/** struct fuse_dirent up to its name: ino 0, off 8, namelen 16, type 20. */
export const DIRENT_BYTES = 24;
/** struct fuse_read_in: fh 0, offset 8, size 16. Also asked for by READDIR. */
export const READ_IN_BYTES = 40;

/** The kernel refuses smaller ones (FUSE_MIN_READ_BUFFER); nothing that a read-only mount is asked is longer. */
export const REQUEST_BUFFER_BYTES = 8192;
/** The least that the kernel takes; it sizes request buffers, and nobody writes here. */
export const MAX_WRITE_BYTES = 4096;
/** 128 KiB requests reach 0.9 GB/s, 1 MiB 3 GB/s; larger ones gain nothing. */
export const MAX_READ_BYTES = 1_048_576;
export const MAX_PAGES = 256;

/** Content never changes: names (absent ones too) and attributes are good for a day. */
export const VALID_SECONDS = 86_400;

const TWO_32 = 0x1_0000_0000;

/** A 64-bit field as a number; exact below 2^53, which covers every inode, offset and request number. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, LITTLE_ENDIAN) * TWO_32 + view.getUint32(at, LITTLE_ENDIAN);
}

/** Whole numbers between -2^53 and 2^53, negative ones as two's complement. */
export function putU64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  view.setUint32(at, value - high * TWO_32, LITTLE_ENDIAN);
  view.setUint32(at + 4, high, LITTLE_ENDIAN);
}

export function getU32(view: DataView, at: number): number {
  return view.getUint32(at, LITTLE_ENDIAN);
}

export function putU32(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, LITTLE_ENDIAN);
}

/** Rounds up to 8: FUSE_REC_ALIGN. */
export function align8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
