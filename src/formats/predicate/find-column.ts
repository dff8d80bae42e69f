import { DataType, type Field, type Schema } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import type { BoundColumn } from "./bound-predicate.ts";
import { domainOf } from "./domain.ts";
import type { ColumnPath } from "./predicate.ts";

/** Names shown when one is not found. */
const MAX_SHOWN = 20;

/**
 * A column, or a field below structs, by its names: as written, else the only one that differs in case alone, as in SQL. A path of
 * names is also tried as one name with dots in it. Throws `usage`, saying what there is.
 */
export function findColumn(path: ColumnPath, schema: Schema): BoundColumn {
  const found = walk(path, schema.fields) ?? (path.length > 1 ? walk([path.join(".")], schema.fields) : undefined);
  if (found !== undefined) return found;
  throw missing(path, schema.fields);
}

function walk(path: ColumnPath, top: readonly Field[]): BoundColumn | undefined {
  const indices: number[] = [];
  const names: string[] = [];
  let fields = top;
  let last: Field | undefined;
  for (const name of path) {
    const index = indexOf(name, fields);
    last = index === undefined ? undefined : fields[index];
    if (index === undefined || last === undefined) return undefined;
    indices.push(index);
    names.push(last.name);
    // Arrow's own type is wider than what its test of the type says.
    const type = last.type as DataType;
    fields = DataType.isStruct(type) ? type.children : [];
  }
  if (last === undefined) return undefined;
  const type = last.type as DataType;
  return { path: names, indices, type, domain: domainOf(type) };
}

function indexOf(name: string, fields: readonly Field[]): number | undefined {
  const exact = fields.findIndex((field) => field.name === name);
  if (exact >= 0) return exact;
  const folded = name.toLowerCase();
  const alike = fields.flatMap((field, index) => (field.name.toLowerCase() === folded ? [index] : []));
  if (alike.length > 1) {
    const names = alike.map((index) => fields[index]?.name).join(", ");
    throw new RiffleError("usage", `predicate: column ${name} could be each of ${names}`, {
      hint: "quote one of them",
    });
  }
  return alike[0];
}

function missing(path: ColumnPath, top: readonly Field[]): RiffleError {
  let fields = top;
  for (const [depth, name] of path.entries()) {
    const index = indexOf(name, fields);
    const type = index === undefined ? undefined : (fields[index]?.type as DataType | undefined);
    if (type === undefined) {
      const where = depth === 0 ? "there is no column" : `column ${path.slice(0, depth).join(".")} has no field`;
      const shown = fields.slice(0, MAX_SHOWN).map((field) => field.name);
      const more = fields.length > MAX_SHOWN ? ` and ${fields.length - MAX_SHOWN} more` : "";
      const hint =
        fields.length === 0
          ? "it is no struct"
          : `there ${fields.length === 1 ? "is" : "are"} ${shown.join(", ")}${more}`;
      return new RiffleError("usage", `predicate: ${where} ${name}`, { hint });
    }
    fields = DataType.isStruct(type) ? type.children : [];
  }
  return new RiffleError("usage", "predicate: a column has no name");
}
