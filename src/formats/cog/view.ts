import { RiffleError } from "../../errors.ts";
import type { GeoTransform, PixelWindow, RasterMetadata, RasterQuery } from "../raster.ts";
import { windowOfBox } from "./box-window.ts";

/** What a query asks for, in whole pixels: which part of which level, and how it becomes the result. */
export interface View {
  /** Of the full-resolution image. */
  readonly window: PixelWindow;
  /** 0 is full resolution, i + 1 the i-th overview. */
  readonly level: number;
  readonly levelWidth: number;
  readonly levelHeight: number;
  readonly fullWidth: number;
  readonly fullHeight: number;
  /** Of the result. */
  readonly width: number;
  readonly height: number;
  /** From 0, in the order asked for. */
  readonly bands: readonly number[];
  readonly transform: GeoTransform | undefined;
  /** Whether pixels are copied one to one. */
  readonly exact: boolean;
}

const MAX_SIDE = 2 ** 31 - 1;

/**
 * A window that lies partly outside the raster is cut to it, one that lies outside wholly is refused. The result has the
 * window's size, or exactly `size`: then the smallest level is read that still has as many pixels, and of it the pixel nearest
 * to each centre. Throws `usage`.
 */
export async function resolveView(query: RasterQuery, metadata: RasterMetadata): Promise<View> {
  if (query.tile !== undefined) {
    throw new RiffleError("usage", "a TIFF has no numbered map tiles", { hint: "ask for a window or a box" });
  }
  if (query.window !== undefined && query.bbox !== undefined) {
    throw new RiffleError("usage", "ask for a window or for a box, not for both");
  }
  if (query.bboxCrs !== undefined && query.bbox === undefined) {
    throw new RiffleError("usage", "a coordinate reference system of a box was given, and no box");
  }
  const whole = { x: 0, y: 0, width: metadata.width, height: metadata.height };
  const asked = query.bbox === undefined ? (query.window ?? whole) : await windowOfBox(query, metadata);
  const window = cut(asked, metadata);
  const size = sizeOf(query, window);
  const level = levelFor(window, { size, metadata });
  const { width: levelWidth, height: levelHeight } = metadata.overviews[level - 1] ?? metadata;
  return {
    window,
    level,
    levelWidth,
    levelHeight,
    fullWidth: metadata.width,
    fullHeight: metadata.height,
    ...size,
    bands: bandsOf(query, metadata),
    transform: metadata.transform && windowTransform(metadata.transform, { window, size }),
    exact: level === 0 && size.width === window.width && size.height === window.height,
  };
}

function cut(window: PixelWindow, { width, height }: RasterMetadata): PixelWindow {
  const text = `${window.x},${window.y},${window.width},${window.height}`;
  const numbers = [window.x, window.y, window.width, window.height];
  if (!numbers.every(Number.isSafeInteger) || window.width <= 0 || window.height <= 0) {
    throw new RiffleError("usage", `the window ${text} is not four whole numbers with a positive size`);
  }
  const x = Math.max(0, window.x);
  const y = Math.max(0, window.y);
  const right = Math.min(width, window.x + window.width);
  const bottom = Math.min(height, window.y + window.height);
  if (x >= right || y >= bottom) {
    throw new RiffleError("usage", `the window ${text} lies outside the raster of ${width} x ${height} pixels`, {
      facts: { width, height },
    });
  }
  return { x, y, width: right - x, height: bottom - y };
}

function sizeOf(query: RasterQuery, window: PixelWindow): { readonly width: number; readonly height: number } {
  const { width, height } = query.size ?? window;
  const isSide = (side: number): boolean => Number.isInteger(side) && side > 0 && side <= MAX_SIDE;
  if (isSide(width) && isSide(height)) return { width, height };
  throw new RiffleError("usage", `the size ${width},${height} is not two positive whole numbers`);
}

interface Fitting {
  readonly size: { readonly width: number; readonly height: number };
  readonly metadata: RasterMetadata;
}

/** Overviews come largest first: the last that is large enough. */
function levelFor(window: PixelWindow, { size, metadata }: Fitting): number {
  if (size.width >= window.width && size.height >= window.height) return 0;
  const tolerance = 1e-6;
  const last = metadata.overviews.findLastIndex(
    ({ width, height }) =>
      (width < metadata.width || height < metadata.height) &&
      (window.width * width) / metadata.width >= size.width - tolerance &&
      (window.height * height) / metadata.height >= size.height - tolerance,
  );
  return last + 1;
}

function bandsOf(query: RasterQuery, { bands }: RasterMetadata): readonly number[] {
  if (query.bands === undefined) return bands.map((_, i) => i);
  if (query.bands.length === 0) throw new RiffleError("usage", "no band was asked for");
  return query.bands.map((band) => {
    if (Number.isInteger(band) && band >= 1 && band <= bands.length) return band - 1;
    throw new RiffleError("usage", `there is no band ${band}: the raster has bands 1 to ${bands.length}`, {
      facts: { bands: bands.length },
    });
  });
}

interface Placed {
  readonly window: PixelWindow;
  readonly size: { readonly width: number; readonly height: number };
}

function windowTransform([a, b, c, d, e, f]: GeoTransform, { window, size }: Placed): GeoTransform {
  const { x, y } = window;
  const across = window.width / size.width;
  const down = window.height / size.height;
  return [a + b * x + c * y, b * across, c * down, d + e * x + f * y, e * across, f * down];
}

/** The column of the level that a column of the result shows; never falls as `column` rises. */
export function sourceColumn(view: View, column: number): number {
  if (view.exact) return view.window.x + column;
  const full = view.window.x + ((column + 0.5) * view.window.width) / view.width;
  return Math.min(view.levelWidth - 1, Math.floor((full * view.levelWidth) / view.fullWidth));
}

/** The row of the level that a row of the result shows; never falls as `row` rises. */
export function sourceRow(view: View, row: number): number {
  if (view.exact) return view.window.y + row;
  const full = view.window.y + ((row + 0.5) * view.window.height) / view.height;
  return Math.min(view.levelHeight - 1, Math.floor((full * view.levelHeight) / view.fullHeight));
}
