import { DataType, type Field, type Schema } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import type { SchemaNode } from "./schema.ts";

/** A column of a result: a top-level column, or a field below structs. */
export interface OutputColumn {
  /** As it was asked for; the dotted path of a field. */
  readonly name: string;
  /** Position among the top-level columns. */
  readonly top: number;
  /** Names of the fields that lead to it from there; empty: all of the column. */
  readonly path: readonly string[];
  readonly leaves: readonly number[];
}

const MAX_SHOWN = 30;

/** The columns asked for, in that order; all of them by default. An unknown one is a `usage` error that says what there is. */
export function outputColumns(
  names: readonly string[] | undefined,
  { schema, root }: { readonly schema: Schema; readonly root: SchemaNode },
): readonly OutputColumn[] {
  if (names === undefined)
    return root.children.map((node, top) => ({ name: node.name, top, path: [], leaves: leavesOf(node) }));
  return names.map((name) => outputColumn(name, { schema, root }));
}

function outputColumn(
  name: string,
  { schema, root }: { readonly schema: Schema; readonly root: SchemaNode },
): OutputColumn {
  const parts = name.split(".");
  for (let count = parts.length; count > 0; count--) {
    const top = root.children.findIndex((node) => node.name === parts.slice(0, count).join("."));
    const node = root.children[top];
    const field = schema.fields[top];
    if (node === undefined || field === undefined) continue;
    const path = parts.slice(count);
    return { name, top, path, leaves: leavesOf(nodeBelow(node, { field, path })) };
  }
  throw new RiffleError("usage", `there is no column "${name}"`, {
    hint: thereIs(root.children.map((node) => node.name)),
  });
}

/** The node that names lead to from `node`, through structs only. */
export function nodeBelow(
  node: SchemaNode,
  { field, path }: { readonly field: Field; readonly path: readonly string[] },
): SchemaNode {
  const [name, ...rest] = path;
  if (name === undefined) return node;
  const type = field.type as DataType;
  const fields = DataType.isStruct(type) ? type.children : [];
  const at = fields.findIndex((child) => child.name === name);
  const next = node.children[at];
  const child = fields[at];
  if (next === undefined || child === undefined) {
    const hint =
      fields.length > 0 ? thereIs(fields.map((one) => one.name)) : "only structs have fields that can be chosen";
    throw new RiffleError("usage", `column "${node.name}" has no field "${name}"`, { hint });
  }
  return nodeBelow(next, { field: child, path: rest });
}

export function leavesOf(node: SchemaNode): readonly number[] {
  return Array.from({ length: node.leaves }, (_, at) => node.leaf + at);
}

/** Whether the node lies in or below something repeated, by leaf: such a leaf has not one value for each row. */
export function repeatedLeaves(root: SchemaNode): ReadonlySet<number> {
  const found = new Set<number>();
  const visit = (node: SchemaNode, repeated: boolean): void => {
    const below = repeated || node.repetition === "REPEATED";
    if (node.children.length === 0 && below) found.add(node.leaf);
    for (const child of node.children) visit(child, below);
  };
  for (const child of root.children) visit(child, false);
  return found;
}

/** Leaves in order, as nodes. */
export function leafNodes(root: SchemaNode): readonly SchemaNode[] {
  return root.children.flatMap((node) => (node.children.length === 0 ? [node] : leafNodes(node)));
}

function thereIs(names: readonly string[]): string {
  const shown = names.slice(0, MAX_SHOWN).join(", ");
  return `there ${names.length === 1 ? "is" : "are"} ${shown}${names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : ""}`;
}
