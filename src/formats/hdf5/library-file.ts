import { RiffleError } from "../../errors.ts";
import { latin1 } from "../binary.ts";
import type { SyncReader } from "./sync-reader.ts";
import type { LibraryType } from "./types.ts";

/** What is used of the library and of the file system that its compiler gives it. */
export interface Library {
  readonly HEAPU8: Uint8Array;
  readonly FS: FileSystem;
  readonly H5G_DATASET: number;
  readonly H5G_GROUP: number;
  open(name: string, mode?: number): bigint;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  get_names(file: bigint, path: string, recursive: boolean): readonly string[];
  get_type(file: bigint, path: string): number;
  get_attribute_names(file: bigint, path: string): Iterable<string>;
  get_dataset_metadata(file: bigint, path: string): LibraryMetadata;
  get_dataset_filters(file: bigint, path: string): readonly { readonly id: number; readonly name: string }[];
  create_object_reference(file: bigint, path: string): Iterable<number>;
  get_dataset_data(
    file: bigint,
    path: string,
    count: readonly bigint[],
    offset: readonly bigint[],
    strides: readonly bigint[],
    pointer: bigint,
  ): number;
}

export interface LibraryMetadata extends LibraryType {
  readonly shape: readonly number[] | null;
  readonly chunks: readonly number[] | null;
  readonly virtual_sources?: readonly { readonly file_name: string }[];
}

interface Stream {
  readonly position: number;
}

interface FileNode {
  readonly id: number;
  readonly mode: number;
  stream_ops: object;
  node_ops: object;
}

interface FileSystem {
  readonly ErrnoError: new (errno: number) => Error;
  mkdir(path: string): void;
  writeFile(path: string, bytes: Uint8Array): void;
  lookupPath(path: string): { readonly node: FileNode };
}

export interface LibraryFile {
  readonly library: Library;
  readonly file: bigint;
  /** Why reading failed last, when the library has only its own words for it. */
  readonly problem: () => unknown;
}

const PATH = "/source/file.h5";
const EIO = 29;

/** The library on a file that is read on demand: a node of its in-memory file system whose reads are those of `reader`. */
export async function openLibrary(reader: SyncReader): Promise<LibraryFile> {
  const magic = latin1(reader.read(0, Math.min(4, reader.size)));
  if (magic.startsWith("CDF")) {
    throw new RiffleError("unsupported", `the file is NetCDF classic (CDF-${magic.charCodeAt(3)}), not HDF5`);
  }
  const { ready } = await import("h5wasm");
  // The package types its module by ambient names of the compiler's that are not published.
  const library = (await ready) as unknown as Library;
  const { FS } = library;
  let problem: unknown;
  FS.mkdir("/source");
  FS.writeFile(PATH, new Uint8Array());
  const { node } = FS.lookupPath(PATH);
  const read = (_: Stream, buffer: Uint8Array, offset: number, length: number, position: number): number => {
    const count = Math.max(0, Math.min(length, reader.size - position));
    try {
      if (count > 0) buffer.set(reader.read(position, count), offset);
    } catch (error) {
      problem = error;
      throw new FS.ErrnoError(EIO);
    }
    return count;
  };
  const llseek = (stream: Stream, offset: number, whence: number): number =>
    whence === 1 ? offset + stream.position : whence === 2 ? reader.size + offset : offset;
  const epoch = new Date(0);
  const getattr = (of: FileNode): object => ({
    dev: 1,
    ino: of.id,
    mode: of.mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: reader.size,
    atime: epoch,
    mtime: epoch,
    ctime: epoch,
    blksize: 4096,
    blocks: Math.ceil(reader.size / 512),
  });
  node.stream_ops = { ...node.stream_ops, read, llseek };
  node.node_ops = { ...node.node_ops, getattr };
  const file = library.open(PATH, 0);
  if (file <= 0n) throw new RiffleError("malformed", "the HDF5 file does not open: it is truncated or broken");
  return { library, file, problem: () => problem };
}
