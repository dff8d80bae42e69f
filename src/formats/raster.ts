import type { FormatName, FormatReader } from "./format.ts";

export type Samples =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

export interface RasterBand {
  /** `uint8`, `int16`, `float32`, `complex64`... as NumPy names them. */
  readonly type: string;
  readonly nodata: number | undefined;
  readonly description: string | undefined;
  /** `gray`, `red`, `green`, `blue`, `alpha`, `palette`, or undefined. */
  readonly meaning: string | undefined;
}

/** x = a + b * column + c * row; y = d + e * column + f * row, of the outer corner of a pixel, as GDAL orders them. */
export type GeoTransform = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export interface RasterMetadata {
  readonly format: FormatName;
  readonly width: number;
  readonly height: number;
  readonly bands: readonly RasterBand[];
  readonly transform: GeoTransform | undefined;
  /** `EPSG:32631`, or a WKT or PROJ string that `proj4` takes; undefined where the file does not say. */
  readonly crs: string | undefined;
  /** Reduced images, largest first. */
  readonly overviews: readonly { readonly width: number; readonly height: number }[];
  readonly blockWidth: number;
  readonly blockHeight: number;
  readonly compression: string;
  /** Where the one band are numbers of colours: red, green and blue of each, in 8 bits. */
  readonly palette?: Uint8Array;
  /** The GeoTIFF tags that say the CRS, as in the file: a GeoTIFF made of this raster says it in the same words. */
  readonly geoKeys?: { readonly keys: readonly number[]; readonly doubles: readonly number[]; readonly texts: string };
}

/** Whole pixels of the full-resolution image. */
export interface PixelWindow {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface RasterQuery {
  /** Default: all of the image. At most one of `window`, `bbox`, `tile`. */
  readonly window?: PixelWindow;
  readonly bbox?: { readonly west: number; readonly south: number; readonly east: number; readonly north: number };
  /** Default: the raster's own. */
  readonly bboxCrs?: string;
  readonly tile?: { readonly z: number; readonly x: number; readonly y: number };
  /** Of the result; the overview that is just large enough is read. Default: full resolution. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Counted from 1. Default: all. */
  readonly bands?: readonly number[];
}

/** Some rows of the result, all of its columns. `scan` gives them from top to bottom. */
export interface RasterWindow {
  /** Of the whole result. */
  readonly width: number;
  readonly height: number;
  /** First row in here, and how many. */
  readonly row: number;
  readonly rows: number;
  /** One for each band asked for, row after row. */
  readonly bands: readonly Samples[];
  /** 0 where there is no data; undefined when the file has no mask. */
  readonly mask: Uint8Array | undefined;
  /** Of the result. */
  readonly transform: GeoTransform | undefined;
}

export type RasterReader = FormatReader<RasterMetadata, RasterQuery, RasterWindow>;
