import { RiffleError } from "../../errors.ts";
import type { GeoTransform, PixelWindow, RasterMetadata, RasterQuery } from "../raster.ts";
import { isGeographic, reprojector, type Point } from "../reproject.ts";

type Box = NonNullable<RasterQuery["bbox"]>;

/** Points along each edge of a box: curved edges are followed to a fraction of a pixel. */
const EDGE_POINTS = 33;
/** Of a pixel: an edge that lies so close to a pixel's is that pixel's. */
const TOLERANCE = 1e-6;

/**
 * The smallest window of whole pixels that covers a box; it may reach over the raster's edges. In degrees, `west > east` spans
 * the antimeridian. Throws `usage`.
 */
export async function windowOfBox(query: RasterQuery, metadata: RasterMetadata): Promise<PixelWindow> {
  const { bbox, bboxCrs } = query;
  const { transform, crs } = metadata;
  if (bbox === undefined) throw new RiffleError("internal", "a window of no box");
  if (transform === undefined) {
    throw new RiffleError("usage", "the raster has no georeference, so that a box has no place in it", {
      hint: "ask for a window of pixels",
    });
  }
  if (bboxCrs !== undefined && crs === undefined) {
    throw new RiffleError("usage", "the raster does not say its coordinate reference system in a form known here", {
      hint: "give the box in the raster's own coordinates, without a system",
    });
  }
  const own = bboxCrs ?? crs;
  const box = unwound(bbox, own === undefined ? false : await isGeographic(own));
  const toPixels = inverse(transform);
  const project = await projection(bboxCrs, crs);
  const pixels = edgePoints(box, project !== undefined).map((point) => toPixels(project?.(point) ?? point));
  return around(pixels);
}

async function projection(
  from: string | undefined,
  to: string | undefined,
): Promise<((point: Point) => Point) | undefined> {
  if (from === undefined || to === undefined || from.trim().toUpperCase() === to.toUpperCase()) return undefined;
  return reprojector({ from, to });
}

function unwound({ west, south, east, north }: Box, degrees: boolean): Box {
  const text = `${west},${south},${east},${north}`;
  if (![west, south, east, north].every(Number.isFinite) || south >= north || west === east) {
    throw new RiffleError("usage", `the box ${text} is not west, south, east, north`);
  }
  if (west < east) return { west, south, east, north };
  if (!degrees) throw new RiffleError("usage", `the box ${text} has its west east of its east`);
  return { west, south, east: east + 360, north };
}

function edgePoints({ west, south, east, north }: Box, curved: boolean): readonly Point[] {
  const steps = curved ? EDGE_POINTS - 1 : 1;
  const between = (a: number, b: number, i: number): number => a + ((b - a) * i) / steps;
  return Array.from({ length: steps + 1 }, (_, i): readonly Point[] => [
    [between(west, east, i), south],
    [between(west, east, i), north],
    [west, between(south, north, i)],
    [east, between(south, north, i)],
  ]).flat();
}

function inverse([a, b, c, d, e, f]: GeoTransform): (point: Point) => Point {
  const determinant = b * f - c * e;
  if (determinant === 0) throw new RiffleError("malformed", "the raster's georeference has no area");
  return ([x, y]) => [((x - a) * f - (y - d) * c) / determinant, ((y - d) * b - (x - a) * e) / determinant];
}

function around(pixels: readonly Point[]): PixelWindow {
  const columns = pixels.map(([x]) => x);
  const rows = pixels.map(([, y]) => y);
  const x = Math.floor(Math.min(...columns) + TOLERANCE);
  const y = Math.floor(Math.min(...rows) + TOLERANCE);
  const right = Math.max(x + 1, Math.ceil(Math.max(...columns) - TOLERANCE));
  const bottom = Math.max(y + 1, Math.ceil(Math.max(...rows) - TOLERANCE));
  const isSane = [x, y, right, bottom].every(Number.isSafeInteger);
  if (!isSane) throw new RiffleError("usage", "the box is larger than any raster");
  return { x, y, width: right - x, height: bottom - y };
}
