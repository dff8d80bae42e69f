import { RiffleError } from "../errors.ts";
import {
  getU32,
  getU64,
  IN_HEADER_BYTES,
  INIT,
  INIT2,
  INIT_OUT_BYTES,
  KERNEL_MAJOR,
  MAX_PAGES,
  MAX_WRITE_BYTES,
  NEWEST_MINOR,
  OLDEST_MINOR,
  OP,
  OUT_HEADER_BYTES,
  putU32,
  putU64,
} from "./protocol.ts";

/** Requests that the kernel sends without a program waiting for each (read-ahead, asynchronous I/O). */
const MAX_BACKGROUND = 64;
/** Above this many of them the kernel reports congestion: three quarters, as libfuse has it. */
const CONGESTION_THRESHOLD = 48;
/** The kernel's default. riffle, not the kernel, reads ahead; this serves `mmap` and files that the kernel caches. */
const MAX_READAHEAD_BYTES = 131_072;
/** A backing file must not itself lie on a stacking file system (FILESYSTEM_MAX_STACK_DEPTH). */
const MAX_STACK_DEPTH = 1;

const WANTED =
  INIT.ASYNC_READ |
  INIT.ASYNC_DIO |
  INIT.PARALLEL_DIROPS |
  INIT.MAX_PAGES |
  // Attributes come with the first part of a listing, and with all of it once somebody looks at them: `find` on a
  // million names must not make a million inodes.
  INIT.DO_READDIRPLUS |
  INIT.READDIRPLUS_AUTO |
  INIT.CACHE_SYMLINKS |
  INIT.NO_OPENDIR_SUPPORT |
  INIT.INIT_EXT;

export interface KernelAbilities {
  readonly minor: number;
  /** A directly opened file can be mapped shared (Linux 6.6). */
  readonly directMmap: boolean;
  /** The kernel takes backing files (Linux 6.9). */
  readonly passthrough: boolean;
}

export type InitAnswer =
  | { readonly kind: "ready"; readonly abilities: KernelAbilities; readonly reply: Uint8Array }
  /** A newer major: the kernel asks once more, in ours. */
  | { readonly kind: "again"; readonly reply: Uint8Array }
  | { readonly kind: "refused"; readonly error: RiffleError; readonly reply: Uint8Array };

/**
 * What is agreed with the kernel for the life of a mount; `request` is the first message of the device. Its
 * struct fuse_init_in: major 0, minor 4, max_readahead 8, flags 12, flags2 16 (since 7.36, with INIT_EXT).
 * `passthrough` says whether this process may use backing files at all.
 */
export function negotiate(request: Uint8Array, options: { readonly passthrough: boolean }): InitAnswer {
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  const body = IN_HEADER_BYTES;
  if (request.length < body + 16 || getU32(view, 4) !== OP.INIT) {
    const error = new RiffleError("machine", "the kernel's first FUSE message is not INIT");
    return { kind: "refused", error, reply: errorReply(view, request.length) };
  }
  const unique = getU64(view, 8);
  const [major, minor] = [getU32(view, body), getU32(view, body + 4)];
  if (major > KERNEL_MAJOR) return { kind: "again", reply: initReply(unique, [KERNEL_MAJOR, NEWEST_MINOR]) };
  if (major < KERNEL_MAJOR || minor < OLDEST_MINOR) {
    const error = new RiffleError("machine", `the kernel speaks FUSE ${major}.${minor}`, {
      hint: `Linux 5.4 or newer is needed (FUSE ${KERNEL_MAJOR}.${OLDEST_MINOR}), or --backend libfuse`,
      facts: { major, minor },
    });
    return { kind: "refused", error, reply: errorReply(view, request.length) };
  }
  const flags = getU32(view, body + 12);
  const extended = (flags & INIT.INIT_EXT) !== 0 && request.length >= body + 20;
  const offered2 = extended ? getU32(view, body + 16) : 0;
  const flags2 = offered2 & (INIT2.DIRECT_IO_ALLOW_MMAP | (options.passthrough ? INIT2.PASSTHROUGH : 0));
  const abilities: KernelAbilities = {
    minor,
    directMmap: (flags2 & INIT2.DIRECT_IO_ALLOW_MMAP) !== 0,
    passthrough: (flags2 & INIT2.PASSTHROUGH) !== 0,
  };
  const reply = initReply(unique, [KERNEL_MAJOR, Math.min(minor, NEWEST_MINOR)]);
  fillInit(new DataView(reply.buffer), {
    readahead: Math.min(getU32(view, body + 8), MAX_READAHEAD_BYTES),
    flags: flags & WANTED,
    flags2,
  });
  return { kind: "ready", abilities, reply };
}

function initReply(unique: number, [major, minor]: readonly [number, number]): Uint8Array {
  const reply = new Uint8Array(OUT_HEADER_BYTES + INIT_OUT_BYTES);
  const view = new DataView(reply.buffer);
  putU32(view, 0, reply.length);
  putU64(view, 8, unique);
  putU32(view, OUT_HEADER_BYTES, major);
  putU32(view, OUT_HEADER_BYTES + 4, minor);
  return reply;
}

/** struct fuse_init_out after its version. */
function fillInit(view: DataView, agreed: { readahead: number; flags: number; flags2: number }): void {
  const at = OUT_HEADER_BYTES;
  putU32(view, at + 8, agreed.readahead);
  putU32(view, at + 12, agreed.flags);
  view.setUint16(at + 16, MAX_BACKGROUND, true);
  view.setUint16(at + 18, CONGESTION_THRESHOLD, true);
  putU32(view, at + 20, MAX_WRITE_BYTES);
  putU32(view, at + 24, 1);
  view.setUint16(at + 28, MAX_PAGES, true);
  putU32(view, at + 32, agreed.flags2);
  putU32(view, at + 36, (agreed.flags2 & INIT2.PASSTHROUGH) === 0 ? 0 : MAX_STACK_DEPTH);
}

/** EPROTO (71 on every Linux) ends the connection. Empty where the request has no header to answer to. */
function errorReply(request: DataView, length: number): Uint8Array {
  if (length < IN_HEADER_BYTES) return new Uint8Array(0);
  const reply = new Uint8Array(OUT_HEADER_BYTES);
  const view = new DataView(reply.buffer);
  putU32(view, 0, reply.length);
  view.setInt32(4, -71, true);
  putU64(view, 8, getU64(request, 8));
  return reply;
}
