import { RiffleError } from "../../errors.ts";
import { bindPredicate } from "../predicate/bind-predicate.ts";
import { boundColumns, type BoundColumn, type BoundPredicate } from "../predicate/bound-predicate.ts";
import type { Predicate } from "../predicate/predicate.ts";
import type { BoundingBox, TableQuery } from "../table.ts";
import { geoColumn, type GeoColumn } from "./geo.ts";
import type { ParquetFile, TypedFile } from "./parquet-file.ts";
import { leavesOf, outputColumns, type OutputColumn } from "./projection.ts";
import type { SchemaNode } from "./schema.ts";

/** A query fitted to a file. */
export interface ParquetQuery {
  readonly output: readonly OutputColumn[];
  readonly limit: number;
  readonly where:
    | { readonly predicate: Predicate; readonly bound: BoundPredicate; readonly columns: readonly WhereColumn[] }
    | undefined;
  readonly box: { readonly box: BoundingBox; readonly column: GeoColumn } | undefined;
  /** Leaves that decide about rows and are read first. */
  readonly early: readonly number[];
  /** Leaves of what comes out, and those that still decide about rows. */
  readonly late: readonly number[];
}

export interface WhereColumn {
  readonly column: BoundColumn;
  readonly node: SchemaNode;
}

/** Throws `usage` for what does not fit: an unknown column, a comparison of unlike things, a limit below 0. */
export function fitQuery(file: TypedFile, { columns, where, bbox, limit }: TableQuery): ParquetQuery {
  if (limit !== undefined && !(limit >= 0)) throw new RiffleError("usage", `a limit of ${limit} rows makes no sense`);
  const { schema, metadata } = file;
  const output = outputColumns(columns, { schema, root: metadata.root });
  const bound = where === undefined ? undefined : bindPredicate(where, schema);
  const whereColumns =
    bound === undefined ? [] : boundColumns(bound).map((column) => ({ column, node: nodeAt(metadata.root, column) }));
  const geo = bbox === undefined ? undefined : geoColumn(file);
  const early = whereColumns.flatMap(({ node }) => leavesOf(node));
  const late = output.flatMap(({ leaves }) => leaves);
  if (geo !== undefined) {
    early.push(...(geo.covering === undefined ? geo.leaves : Object.values(geo.covering)));
    if (geo.covering !== undefined) late.push(...geo.leaves);
  }
  return {
    output,
    limit: Math.floor(limit ?? Infinity),
    where: where === undefined || bound === undefined ? undefined : { predicate: where, bound, columns: whereColumns },
    box: bbox === undefined || geo === undefined ? undefined : { box: checkedBox(bbox), column: geo },
    early: [...new Set(early)].sort((a, b) => a - b),
    late: [...new Set(late)].sort((a, b) => a - b),
  };
}

/** Whether every row comes out. */
export function takesAll({ where, box }: ParquetQuery): boolean {
  return where === undefined && box === undefined;
}

/**
 * What is read where rows are left: the leaves of all top-level columns of which not every wanted leaf decided. The others (`tops`) are
 * there already.
 */
export function lateColumns(
  file: ParquetFile,
  { early, late }: ParquetQuery,
): { readonly tops: readonly number[]; readonly leaves: readonly number[] } {
  const decided = new Set(early);
  const topOf = (leaf: number): number => file.tops[leaf] ?? 0;
  const missing = new Set(late.filter((leaf) => !decided.has(leaf)).map(topOf));
  return {
    tops: [...new Set(late.map(topOf))].filter((top) => !missing.has(top)),
    leaves: late.filter((leaf) => missing.has(topOf(leaf))),
  };
}

function nodeAt(root: SchemaNode, column: BoundColumn): SchemaNode {
  return column.indices.reduce((node, at) => {
    const child = node.children[at];
    if (child === undefined) throw new RiffleError("internal", `column ${column.path.join(".")} is not in the file`);
    return child;
  }, root);
}

function checkedBox(box: BoundingBox): BoundingBox {
  const sound =
    [box.west, box.south, box.east, box.north].every((edge) => Number.isFinite(edge)) && box.south <= box.north;
  if (!sound) {
    const edges = [box.west, box.south, box.east, box.north].join(",");
    throw new RiffleError("usage", `${edges} is no bounding box`, {
      hint: "it is west,south,east,north, with south <= north",
    });
  }
  return box;
}
