import type { RangeSource } from "../bytes/source.ts";
import type { ArrayReader } from "./array.ts";
import type { ExtentTable } from "./extents.ts";
import type { FileInfo, FileSet, FormatOptions } from "./format.ts";
import type { RasterReader } from "./raster.ts";
import type { TableReader } from "./table.ts";
import type { TileReader } from "./tiles.ts";

export interface ExtentOptions extends FormatOptions {
  /** Called at most once, with what is known already while the rest of the index is on its way. */
  readonly early?: (table: ExtentTable) => void;
}

/** What one format can do. Everything heavy is imported inside these functions. */
export interface FormatModule {
  info(source: RangeSource, options?: FormatOptions): Promise<FileInfo>;
  /** For the mount: cheap, in one or two requests, or an empty table. `options.maxBytes` bounds what is read for it. */
  extents?(source: RangeSource, options?: ExtentOptions): Promise<ExtentTable>;
  table?(source: RangeSource, options?: FormatOptions): Promise<TableReader>;
  raster?(source: RangeSource, options?: FormatOptions): Promise<RasterReader>;
  array?(source: RangeSource, options?: FormatOptions): Promise<ArrayReader>;
  /** For archives of tiles that are files of their own. */
  tiles?(source: RangeSource, options?: FormatOptions): Promise<TileReader>;
}

/** The same for a format that is a directory (Zarr). */
export interface DirectoryFormatModule {
  info(files: FileSet, options?: FormatOptions): Promise<FileInfo>;
  array(files: FileSet, options?: FormatOptions): Promise<ArrayReader>;
}
