import { GeometryType } from "flatgeobuf/lib/mjs/flat-geobuf/geometry-type.js";
import type { BoundingBox } from "../table.ts";
import type { Line, Shape } from "./geometry.ts";

/** Well-known binary, little-endian, with the type codes of ISO 19125 (+1000 with Z, +2000 with M, +3000 with both). */
export function wkbOf(shape: Shape, dimensions: { hasZ: boolean; hasM: boolean }): Uint8Array {
  const bytes = new Uint8Array(sizeOf(shape, 16 + (dimensions.hasZ ? 8 : 0) + (dimensions.hasM ? 8 : 0)));
  const writer: Writer = { view: new DataView(bytes.buffer), at: 0, flags: flagsOf(dimensions) };
  write(writer, shape);
  return bytes;
}

interface Writer {
  readonly view: DataView;
  at: number;
  readonly flags: number;
}

const HEADER_BYTES = 5;

function flagsOf({ hasZ, hasM }: { hasZ: boolean; hasM: boolean }): number {
  return (hasZ ? 1000 : 0) + (hasM ? 2000 : 0);
}

function verticesOf({ lines }: Shape): number {
  return lines.reduce((sum, { from, to }) => sum + to - from, 0);
}

function sizeOf(shape: Shape, vertexBytes: number): number {
  const { type, lines, parts } = shape;
  const coordinates = verticesOf(shape) * vertexBytes;
  if (parts.length > 0) return HEADER_BYTES + 4 + parts.reduce((sum, part) => sum + sizeOf(part, vertexBytes), 0);
  if (type === GeometryType.Point) return HEADER_BYTES + vertexBytes;
  if (type === GeometryType.MultiPoint) return HEADER_BYTES + 4 + verticesOf(shape) * HEADER_BYTES + coordinates;
  if (type === GeometryType.MultiLineString) return HEADER_BYTES + 4 + lines.length * (HEADER_BYTES + 4) + coordinates;
  if (type === GeometryType.Polygon || type === GeometryType.Triangle)
    return HEADER_BYTES + 4 + lines.length * 4 + coordinates;
  return HEADER_BYTES + 4 + coordinates;
}

function write(writer: Writer, shape: Shape): void {
  const { type, lines, parts } = shape;
  const [line] = lines;
  head(writer, type);
  if (type === GeometryType.Point) {
    if (line !== undefined && line.to > line.from) vertex(writer, line, line.from);
    else emptyPoint(writer);
    return;
  }
  if (type === GeometryType.MultiPoint) {
    uint32(writer, verticesOf(shape));
    if (line !== undefined) {
      for (let at = line.from; at < line.to; at++) {
        head(writer, GeometryType.Point);
        vertex(writer, line, at);
      }
    }
    return;
  }
  if (type === GeometryType.LineString || type === GeometryType.CircularString) {
    if (line === undefined) uint32(writer, 0);
    else vertices(writer, line);
    return;
  }
  uint32(writer, lines.length + parts.length);
  for (const each of lines) {
    if (type === GeometryType.MultiLineString) head(writer, GeometryType.LineString);
    vertices(writer, each);
  }
  for (const part of parts) write(writer, part);
}

function head(writer: Writer, type: GeometryType): void {
  writer.view.setUint8(writer.at, 1);
  writer.view.setUint32(writer.at + 1, type + writer.flags, true);
  writer.at += HEADER_BYTES;
}

function uint32(writer: Writer, value: number): void {
  writer.view.setUint32(writer.at, value, true);
  writer.at += 4;
}

function vertices(writer: Writer, line: Line): void {
  uint32(writer, line.to - line.from);
  for (let at = line.from; at < line.to; at++) vertex(writer, line, at);
}

/** Coordinates are copied as they are stored, every NaN with its bits. */
function vertex(writer: Writer, { table, xy, z, m }: Line, at: number): void {
  copy(writer, table.view, xy.start + at * 16);
  copy(writer, table.view, xy.start + at * 16 + 8);
  if (z !== undefined) copy(writer, table.view, z.start + at * 8);
  if (m !== undefined) copy(writer, table.view, m.start + at * 8);
}

function copy(writer: Writer, from: DataView, offset: number): void {
  writer.view.setBigUint64(writer.at, from.getBigUint64(offset, true), true);
  writer.at += 8;
}

/** A point without coordinates is one of NaNs in WKB, as GEOS and PostGIS write it. */
function emptyPoint(writer: Writer): void {
  const count = 2 + (writer.flags >= 2000 ? 1 : 0) + (writer.flags % 2000 >= 1000 ? 1 : 0);
  for (let at = 0; at < count; at++, writer.at += 8) writer.view.setFloat64(writer.at, NaN, true);
}

/** Bounds of all vertices; undefined where there are none. An arc may reach beyond them. */
export function boundsOf(shape: Shape): BoundingBox | undefined {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = ({ lines, parts }: Shape): void => {
    for (const { table, xy, from, to } of lines) {
      for (let at = from; at < to; at++) {
        const x = table.view.getFloat64(xy.start + at * 16, true);
        const y = table.view.getFloat64(xy.start + at * 16 + 8, true);
        west = Math.min(west, x);
        east = Math.max(east, x);
        south = Math.min(south, y);
        north = Math.max(north, y);
      }
    }
    for (const part of parts) visit(part);
  };
  visit(shape);
  return west <= east && south <= north ? { west, south, east, north } : undefined;
}

/** Whether boxes meet, touching included; a `query` whose west is beyond its east spans the antimeridian. */
export function boxesMeet(box: BoundingBox, query: BoundingBox): boolean {
  if (box.south > query.north || box.north < query.south) return false;
  if (query.west <= query.east) return box.west <= query.east && box.east >= query.west;
  return box.east >= query.west || box.west <= query.east;
}
