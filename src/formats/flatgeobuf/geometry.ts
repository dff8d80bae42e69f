import { GeometryType } from "flatgeobuf/lib/mjs/flat-geobuf/geometry-type.js";
import { RiffleError } from "../../errors.ts";
import { geometryTypeOf } from "./codes.ts";
import { flatTables, flatUint8, flatVector, type FlatTable, type FlatVector } from "../flatbuffer.ts";

/** A geometry as the simple feature model has it: coordinates, or rings, or parts that are geometries of their own. */
export interface Shape {
  readonly type: GeometryType;
  /** One list of coordinates, or one for each ring of a polygon; empty where there are parts. */
  readonly lines: readonly Line[];
  readonly parts: readonly Shape[];
}

/** Vertices `from` to `to` of the vectors of one table. */
export interface Line {
  readonly table: FlatTable;
  readonly xy: FlatVector;
  readonly z: FlatVector | undefined;
  readonly m: FlatVector | undefined;
  readonly from: number;
  readonly to: number;
}

const FIELD = { ends: 0, xy: 1, z: 2, m: 3, type: 6, parts: 7 } as const;
/** Collections in collections deeper than this are nobody's data. */
const MAX_DEPTH = 16;

/** The type of the parts where the whole names it; a collection's parts name their own. */
const PART_TYPE: Readonly<Partial<Record<GeometryType, GeometryType>>> = {
  [GeometryType.MultiPolygon]: GeometryType.Polygon,
  [GeometryType.PolyhedralSurface]: GeometryType.Polygon,
  [GeometryType.TIN]: GeometryType.Triangle,
};
const HAS_PARTS = new Set<GeometryType>([
  GeometryType.MultiPolygon,
  GeometryType.GeometryCollection,
  GeometryType.CompoundCurve,
  GeometryType.CurvePolygon,
  GeometryType.MultiCurve,
  GeometryType.MultiSurface,
  GeometryType.PolyhedralSurface,
  GeometryType.TIN,
]);
const HAS_RINGS = new Set<GeometryType>([GeometryType.Polygon, GeometryType.Triangle]);
const MEMBERS: Readonly<Partial<Record<GeometryType, ReadonlySet<GeometryType>>>> = {
  [GeometryType.CompoundCurve]: new Set([GeometryType.LineString, GeometryType.CircularString]),
  [GeometryType.CurvePolygon]: new Set([
    GeometryType.LineString,
    GeometryType.CircularString,
    GeometryType.CompoundCurve,
  ]),
  [GeometryType.MultiCurve]: new Set([
    GeometryType.LineString,
    GeometryType.CircularString,
    GeometryType.CompoundCurve,
  ]),
  [GeometryType.MultiSurface]: new Set([GeometryType.Polygon, GeometryType.CurvePolygon]),
};

export interface ShapeOptions {
  /** Of the file; `Unknown` where each feature says its own. */
  readonly type: GeometryType;
  readonly hasZ: boolean;
  readonly hasM: boolean;
}

/** Parses a geometry. Throws `malformed` where it breaks its own rules, `unsupported` for an abstract type. */
export function shapeOf(table: FlatTable, options: ShapeOptions): Shape {
  // A part may be pointed at more than once: what is visited is bounded by what the feature could hold without that.
  const budget = { parts: table.bytes.length / 4, vertices: table.bytes.length / 16 };
  return parse(table, { ...options, budget, depth: 0 });
}

interface Walk extends ShapeOptions {
  readonly budget: { parts: number; vertices: number };
  readonly depth: number;
}

function parse(table: FlatTable, walk: Walk): Shape {
  const code = flatUint8(table, FIELD.type, 0);
  const type = walk.type === GeometryType.Unknown ? geometryTypeOf(code) : walk.type;
  if (--walk.budget.parts < 0 || walk.depth > MAX_DEPTH)
    throw new RiffleError("malformed", "a geometry that contains itself");
  if (type === undefined || type === GeometryType.Unknown) {
    throw new RiffleError("malformed", `a geometry of type ${code}, which there is not`);
  }
  if (type === GeometryType.Curve || type === GeometryType.Surface) {
    throw new RiffleError("unsupported", `geometry type ${GeometryType[type]}, which stands for no form of its own`);
  }
  if (HAS_PARTS.has(type)) return { type, lines: [], parts: partsOf(table, { ...walk, type }) };
  return { type, lines: linesOf(table, { ...walk, type }), parts: [] };
}

function partsOf(table: FlatTable, walk: Walk): readonly Shape[] {
  const { type } = walk;
  const tables = flatTables(table, FIELD.parts);
  const members = MEMBERS[type];
  const expected = PART_TYPE[type];
  return Array.from({ length: tables.length }, (_, index) => {
    const part = tables.at(index);
    const own = geometryTypeOf(flatUint8(part, FIELD.type, 0)) ?? GeometryType.Unknown;
    const partType = own === GeometryType.Unknown ? (expected ?? own) : own;
    if ((expected !== undefined && partType !== expected) || members?.has(partType) === false) {
      throw new RiffleError("malformed", `a ${GeometryType[type]} with a ${GeometryType[partType]} in it`);
    }
    const shape = parse(part, { ...walk, type: partType, depth: walk.depth + 1 });
    if (type === GeometryType.CurvePolygon) checkRing(shape);
    return shape;
  });
}

/** ISO 19107: a ring is closed, so straight lines make one from four vertices on. */
function checkRing({ type, lines }: Shape): void {
  const count = lines.reduce((sum, { from, to }) => sum + to - from, 0);
  if (type === GeometryType.LineString && count > 0 && count < 4) {
    throw new RiffleError("malformed", `a CurvePolygon whose ring has ${count} vertices; it takes four to close`);
  }
}

function linesOf(table: FlatTable, walk: Walk): readonly Line[] {
  const xy = flatVector(table, FIELD.xy, 8) ?? { start: 0, length: 0 };
  const count = xy.length / 2;
  const z = walk.hasZ ? (flatVector(table, FIELD.z, 8) ?? { start: 0, length: 0 }) : undefined;
  const m = walk.hasM ? (flatVector(table, FIELD.m, 8) ?? { start: 0, length: 0 }) : undefined;
  if (!Number.isInteger(count) || (z !== undefined && z.length !== count) || (m !== undefined && m.length !== count)) {
    throw new RiffleError("malformed", "a geometry whose coordinates are not as many in each dimension");
  }
  walk.budget.vertices -= count;
  if (walk.budget.vertices < 0)
    throw new RiffleError("malformed", "a geometry with more vertices than its feature holds");
  const line = (from: number, to: number): Line => ({ table, xy, z, m, from, to });
  const isSplit = HAS_RINGS.has(walk.type) || walk.type === GeometryType.MultiLineString;
  const ends = isSplit ? flatVector(table, FIELD.ends, 4) : undefined;
  if (ends === undefined || ends.length === 0) return isSplit && count === 0 ? [] : [line(0, count)];
  let from = 0;
  const lines = Array.from({ length: ends.length }, (_, index) => {
    const to = table.view.getUint32(ends.start + index * 4, true);
    if (to < from || to > count) throw new RiffleError("malformed", "a geometry whose rings do not follow each other");
    const part = line(from, to);
    from = to;
    return part;
  });
  if (from !== count) throw new RiffleError("malformed", "a geometry with vertices behind its last ring");
  return lines;
}
