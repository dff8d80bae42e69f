import type { DirectoryFormatModule, FormatModule, FormatName } from "./format.ts";

/** What detection looks at: the first and last bytes of a file, which may overlap, and its length. */
export interface Probe {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  readonly size: number;
}

/** What an artifact says of a file. It is only believed where the content does not contradict it. */
export interface FormatHint {
  readonly name?: string;
  readonly mediaType?: string;
}

/** One row of the table of formats. */
export interface Format {
  readonly name: FormatName;
  readonly title: string;
  /** Where its index lies: that end is read first when a hint points at this format. */
  readonly index: "head" | "tail";
  /** Whether the content is of this format; undefined where no bytes tell (CSV). */
  readonly matches?: (probe: Probe) => boolean;
  readonly mediaTypes: readonly string[];
  /** With the dot, lower case. */
  readonly extensions: readonly string[];
  readonly load?: () => Promise<FormatModule>;
  readonly loadDirectory?: () => Promise<DirectoryFormatModule>;
}

export const FORMATS: readonly Format[] = [
  {
    name: "parquet",
    title: "Apache Parquet",
    index: "tail",
    matches: ({ head, tail }) => startsWith(head, "PAR1") && endsWith(tail, "PAR1"),
    mediaTypes: ["application/vnd.apache.parquet", "application/x-parquet"],
    extensions: [".parquet", ".geoparquet"],
  },
  {
    name: "tiff",
    title: "TIFF",
    index: "head",
    matches: ({ head }) => ["II*\0", "MM\0*", "II+\0", "MM\0+"].some((magic) => startsWith(head, magic)),
    mediaTypes: ["image/tiff"],
    extensions: [".tif", ".tiff", ".gtiff"],
  },
  {
    name: "npy",
    title: "NumPy array",
    index: "head",
    matches: ({ head }) => startsWith(head, "\u0093NUMPY"),
    mediaTypes: ["application/x-npy"],
    extensions: [".npy"],
    load: async () => (await import("./npy/module.ts")).npy,
  },
  {
    name: "npz",
    title: "NumPy arrays in a zip archive",
    index: "tail",
    matches: ({ head }) => startsWith(head, "PK\u0003\u0004") && firstMemberName(head).endsWith(".npy"),
    mediaTypes: ["application/x-npz"],
    extensions: [".npz"],
    load: async () => (await import("./npy/npz.ts")).npz,
  },
  {
    name: "zarr",
    title: "Zarr",
    index: "tail",
    // The name of a metadata document in the directory of the archive; in a plain directory no bytes tell.
    matches: ({ head, tail }) =>
      startsWith(head, "PK\u0003\u0004") && ["zarr.json", ".zgroup", ".zarray"].some((name) => includes(tail, name)),
    mediaTypes: ["application/vnd.zarr+zip", "application/vnd+zarr"],
    extensions: [".zarr.zip", ".zarr"],
    load: async () => (await import("./zarr/module.ts")).zarr,
    loadDirectory: async () => (await import("./zarr/module.ts")).zarrDirectory,
  },
  {
    name: "hdf5",
    title: "HDF5",
    index: "head",
    // Something else may precede it: then it begins at 512, 1024, 2048 and so on.
    matches: ({ head }) =>
      [0, 512, 1024, 2048, 4096, 8192, 16_384, 32_768].some((at) =>
        startsWith(head.subarray(at), "\u0089HDF\r\n\u001a\n"),
      ),
    mediaTypes: ["application/x-hdf5", "application/vnd.hdfgroup.hdf5", "application/x-netcdf4"],
    extensions: [".h5", ".hdf5", ".nc", ".nc4", ".he5"],
    load: async () => (await import("./hdf5/module.ts")).hdf5,
  },
  {
    name: "netcdf-classic",
    title: "NetCDF classic",
    index: "head",
    matches: ({ head }) => ["CDF\u0001", "CDF\u0002", "CDF\u0005"].some((magic) => startsWith(head, magic)),
    mediaTypes: ["application/netcdf", "application/x-netcdf"],
    extensions: [".cdf"],
    load: async () => (await import("./hdf5/module.ts")).netcdfClassic,
  },
  {
    name: "safetensors",
    title: "safetensors",
    index: "head",
    matches: isSafetensors,
    mediaTypes: ["application/vnd.safetensors"],
    extensions: [".safetensors"],
    load: async () => (await import("./safetensors/module.ts")).safetensors,
  },
  {
    name: "gguf",
    title: "GGUF",
    index: "head",
    matches: ({ head }) => startsWith(head, "GGUF"),
    mediaTypes: ["application/vnd.gguf"],
    extensions: [".gguf"],
    load: async () => (await import("./gguf/module.ts")).gguf,
  },
];

/** No magic: the length of a header that is JSON, and the brace that begins it. */
function isSafetensors({ head, size }: Probe): boolean {
  if (head.length < 10 || head[8] !== 0x7b) return false;
  return new DataView(head.buffer, head.byteOffset).getBigUint64(0, true) <= BigInt(Math.min(size - 8, 100_000_000));
}

/** Of a zip archive, from its first local header: enough to tell what kind of archive it is. */
function firstMemberName(head: Uint8Array): string {
  if (head.length < 30) return "";
  const length = new DataView(head.buffer, head.byteOffset).getUint16(26, true);
  return Buffer.from(head.subarray(30, 30 + length)).toString("latin1");
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return Buffer.from(bytes.subarray(0, magic.length)).toString("latin1") === magic;
}

function includes(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(text, 0, "latin1");
}

function endsWith(bytes: Uint8Array, magic: string): boolean {
  return Buffer.from(bytes.subarray(bytes.length - magic.length)).toString("latin1") === magic;
}
