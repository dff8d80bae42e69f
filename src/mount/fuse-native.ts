import { createRequire } from "node:module";
import { RiffleError } from "../errors.ts";

/** Gives libfuse's answer: 0, a count of bytes, or a negative errno; then what the request asked for. */
export type Signal = (result: number, ...values: readonly unknown[]) => void;

/**
 * What is used of the package `fuse-native` 2.2.6: its object for one mount, and the handlers below its public surface that
 * let sizes of attributes be checked and listings be typed. Paths are text that libfuse's bytes were decoded to.
 */
export interface FuseNative {
  mount(done: (error: Error | null) => void): void;
  /** The option string that libfuse gets. */
  _fuseOptions: () => string;
  _op_readdir: (signal: Signal, path: string) => void;
  _op_getxattr: (signal: Signal, path: string, name: string, value: Buffer) => void;
  _op_listxattr: (signal: Signal, path: string, list: Buffer) => void;
  /** libfuse's state of this mount, for the native binding. */
  readonly _thread: Buffer | null;
}

export type FuseNativeClass = new (
  mountpoint: string,
  operations: FuseOperations,
  options: { readonly timeout: false },
) => FuseNative;

export interface FuseStat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly dev: number;
  readonly nlink: number;
  readonly ino: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly blocks: number;
  /** Milliseconds since the epoch, not negative. */
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

export interface FuseOperations {
  getattr(path: string, done: (result: number, stat?: FuseStat) => void): void;
  readlink(path: string, done: (result: number, target?: string) => void): void;
  open(path: string, flags: number, done: (result: number, handle?: number) => void): void;
  read(
    path: string,
    handle: number,
    buffer: Buffer,
    length: number,
    position: number,
    done: (result: number) => void,
  ): void;
  release(path: string, handle: number, done: (result: number) => void): void;
  statfs(path: string, done: (result: number, stat?: Readonly<Record<string, number>>) => void): void;
  /** These three are answered by the `_op_` handlers; their presence tells libfuse that they are there. */
  readonly readdir: () => void;
  readonly getxattr: () => void;
  readonly listxattr: () => void;
}

export interface FuseLibrary {
  readonly Fuse: FuseNativeClass;
  /** Lets the event loop end once the mount is gone. */
  readonly letGo: (mountpoint: string, fuse: FuseNative) => void;
}

/** Loads the optional package. Throws `machine` with the remedy when it, its binary or libfuse 2 is missing. */
export function loadFuseNative(require: NodeJS.Require = createRequire(import.meta.url)): FuseLibrary {
  try {
    const Fuse = require("fuse-native") as FuseNativeClass; // the shapes above, read from its source
    const main = require.resolve("fuse-native");
    const inner = createRequire(main);
    const build = inner("node-gyp-build") as (directory: string) => NativeBinding; // as its index.js does
    const binding = build(main.slice(0, main.lastIndexOf("/")));
    return {
      Fuse,
      letGo: (mountpoint, fuse) => {
        if (fuse._thread !== null) binding.fuse_native_unmount(mountpoint, fuse._thread);
      },
    };
  } catch (cause) {
    throw unloadable(cause);
  }
}

interface NativeBinding {
  readonly fuse_native_unmount: (mountpoint: string, thread: Buffer) => void;
}

function unloadable(cause: unknown): RiffleError {
  const text = cause instanceof Error ? cause.message : "";
  if (/libfuse\.so\.2|libosxfuse|libfuse\.2\.dylib/.test(text)) {
    return new RiffleError("machine", "the libfuse backend needs libfuse 2, which is not installed", {
      hint: "install libfuse2 (Debian, Ubuntu), fuse-libs (Fedora) or macFUSE (macOS), or use --backend kernel",
      cause,
    });
  }
  if (/Cannot find (?:module|package)/.test(text)) {
    return new RiffleError("machine", "the libfuse backend needs the package fuse-native, which is not installed", {
      hint: "npm install fuse-native, or use --backend kernel",
      cause,
    });
  }
  return new RiffleError("machine", "the package fuse-native does not load on this machine", {
    hint: "it has binaries for x64 alone: use --backend kernel, or build it with npm rebuild fuse-native",
    cause,
  });
}
