import { RiffleError } from "../../errors.ts";
import type { BoundingBox } from "../table.ts";
import type { Bounds } from "./geometry-bounds.ts";
import type { ParquetMetadata } from "./metadata.ts";
import type { TypedFile } from "./parquet-file.ts";
import { leafNodes, leavesOf } from "./projection.ts";
import type { SchemaNode } from "./schema.ts";
import { ThriftReader, THRIFT } from "./thrift.ts";

export interface GeoColumn {
  readonly name: string;
  /** Position among the top-level columns. */
  readonly top: number;
  readonly leaves: readonly number[];
  readonly encoding: "wkb" | "native";
  /** Leaves that hold the bounds of each row. */
  readonly covering: { readonly [side in keyof Bounds]: number } | undefined;
}

/** What `geo` in the metadata says of a column, as it stands there. */
export interface GeoMetadata {
  readonly version: string | undefined;
  readonly primary: string | undefined;
  readonly columns: ReadonlyMap<string, { readonly [name: string]: unknown }>;
}

/** GeoParquet's metadata; undefined where there is none, or none that can be read. */
export function geoMetadata({ keyValues }: ParquetMetadata): GeoMetadata | undefined {
  const text = keyValues.find(({ key }) => key === "geo")?.value;
  if (text === undefined) return undefined;
  try {
    const geo = record(JSON.parse(text));
    const columns = new Map(Object.entries(record(geo["columns"])).map(([name, column]) => [name, record(column)]));
    const words = (name: string): string | undefined => (typeof geo[name] === "string" ? geo[name] : undefined);
    return { version: words("version"), primary: words("primary_column"), columns };
  } catch {
    return undefined;
  }
}

/** Names of Arrow's extension types for geometries that can be read here. */
const GEOMETRY = /^(geoarrow\.(wkb|point|linestring|polygon|multi\w+)|ogc\.wkb)$/;

/** The column that a bounding box speaks of: GeoParquet's primary one, or the first of a geometric type, Parquet's or Arrow's. */
export function geoColumn({ metadata, schema }: Pick<TypedFile, "metadata" | "schema">): GeoColumn {
  const geo = geoMetadata(metadata);
  const { children } = metadata.root;
  const named = children.findIndex((node) => node.name === geo?.primary);
  const typed = children.findIndex(({ logical }) => logical?.kind === "GEOMETRY" || logical?.kind === "GEOGRAPHY");
  const extended = schema.fields.findIndex((field) => GEOMETRY.test(field.metadata.get("ARROW:extension:name") ?? ""));
  const top = [named, typed, extended].find((at) => at >= 0) ?? -1;
  const node = children[top];
  if (node === undefined) {
    throw new RiffleError("usage", "this Parquet file has no geometry column that a bounding box could speak of", {
      hint: "it has neither GeoParquet metadata nor a column of a geometric type",
    });
  }
  const own = geo?.columns.get(node.name) ?? {};
  const encoding = typeof own["encoding"] === "string" ? own["encoding"].toUpperCase() : "WKB";
  if (node.physical === "BYTE_ARRAY" && encoding !== "WKB") {
    throw new RiffleError(
      "unsupported",
      `geometry column "${node.name}" has the encoding ${encoding}, which riffle cannot read`,
    );
  }
  return {
    name: node.name,
    top,
    leaves: leavesOf(node),
    encoding: node.physical === "BYTE_ARRAY" ? "wkb" : "native",
    covering: coveringLeaves(metadata, own["covering"]),
  };
}

const SIDES = ["xmin", "ymin", "xmax", "ymax"] as const;

function coveringLeaves({ root }: ParquetMetadata, covering: unknown): GeoColumn["covering"] {
  const paths = record(record(covering)["bbox"]);
  const [xmin, ymin, xmax, ymax] = SIDES.map((side) => numberLeaf(root, paths[side]));
  if (xmin === undefined || ymin === undefined || xmax === undefined || ymax === undefined) return undefined;
  return { xmin, ymin, xmax, ymax };
}

function numberLeaf(root: SchemaNode, path: unknown): number | undefined {
  if (!Array.isArray(path)) return undefined;
  let node: SchemaNode | undefined = root;
  for (const name of path as readonly unknown[])
    node = node?.children.find((child) => child.name === name && child.repetition !== "REPEATED");
  return node?.physical === "FLOAT" || node?.physical === "DOUBLE" ? node.leaf : undefined;
}

/** Whether bounds meet a box. `xmin > xmax` and `west > east` both reach over the antimeridian. */
export function meets({ xmin, ymin, xmax, ymax }: Bounds, { west, south, east, north }: BoundingBox): boolean {
  if (ymax < south || ymin > north) return false;
  if (xmin > xmax) return west > east || xmin <= east || xmax >= west;
  return west > east ? xmax >= west || xmin <= east : xmax >= west && xmin <= east;
}

/** A float32 may have been rounded inwards by half of its last digit: this box takes in what could have met. */
export function widened({ west, south, east, north }: BoundingBox): BoundingBox {
  const slack = (value: number): number => Math.abs(value) * 2 ** -23 + Number.MIN_VALUE;
  return {
    west: west - slack(west),
    south: south - slack(south),
    east: east + slack(east),
    north: north + slack(north),
  };
}

/** The box that a row group's geospatial statistics give for its geometries; undefined where they do not. */
export function geoBounds(
  metadata: ParquetMetadata,
  { group, column }: { readonly group: number; readonly column: GeoColumn },
): Bounds | undefined {
  const [leaf = -1] = column.leaves;
  const at = column.leaves.length === 1 ? metadata.rowGroups[group]?.chunks[leaf]?.geoStatistics : undefined;
  if (at === undefined) return undefined;
  const sides: number[] = [];
  const reader = new ThriftReader(metadata.footer, at.start, at.end);
  reader.struct((id, type) => {
    if (id !== 1 || type !== THRIFT.struct) return false;
    reader.struct((side, kind) => {
      if (kind !== THRIFT.double) return false;
      sides[side] = reader.double();
      return true;
    });
    return true;
  });
  const [, xmin, xmax, ymin, ymax] = sides;
  if ([xmin, xmax, ymin, ymax].some((side) => side === undefined || Number.isNaN(side))) return undefined;
  return { xmin: xmin ?? 0, xmax: xmax ?? 0, ymin: ymin ?? 0, ymax: ymax ?? 0 };
}

/** Whether any column is of a geometric type. */
export function geometryTypes({
  root,
}: ParquetMetadata): readonly { readonly name: string; readonly type: string; readonly crs: string | undefined }[] {
  return leafNodes(root).flatMap(({ name, logical }) =>
    logical?.kind === "GEOMETRY" || logical?.kind === "GEOGRAPHY"
      ? [{ name, type: logical.kind, crs: logical.crs }]
      : [],
  );
}

function record(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null ? (value as { readonly [name: string]: unknown }) : {};
}
