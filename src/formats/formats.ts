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
    load: async () => (await import("./parquet/module.ts")).parquet,
  },
  {
    name: "tiff",
    title: "TIFF",
    index: "head",
    matches: ({ head }) => ["II*\0", "MM\0*", "II+\0", "MM\0+"].some((magic) => startsWith(head, magic)),
    mediaTypes: ["image/tiff"],
    extensions: [".tif", ".tiff", ".gtiff"],
    load: async () => (await import("./cog/module.ts")).cog,
  },
];

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return Buffer.from(bytes.subarray(0, magic.length)).toString("latin1") === magic;
}

function endsWith(bytes: Uint8Array, magic: string): boolean {
  return Buffer.from(bytes.subarray(bytes.length - magic.length)).toString("latin1") === magic;
}
