import { DataType, type Field } from "apache-arrow";
import type { ColumnValue } from "../build/column-data.ts";
import { isInt64 } from "./json-type.ts";
import { jsonOf, type JsonValue } from "./exact-json.ts";

/** The value for a column of that type; undefined where it does not fit, also where a struct has a member that the type lacks. */
export function columnValue(value: JsonValue | undefined, field: Field): ColumnValue {
  if (value === null || value === undefined) return null;
  const { type } = field;
  if (field.metadata.has("ARROW:extension:name")) return jsonOf(value);
  if (DataType.isUtf8(type)) return typeof value === "string" ? value : undefined;
  if (DataType.isBool(type)) return typeof value === "boolean" ? value : undefined;
  if (DataType.isInt(type)) return integer(value);
  if (DataType.isFloat(type)) return float(value);
  if (DataType.isList(type))
    return Array.isArray(value) ? listValue(value as readonly JsonValue[], type.children[0]) : undefined;
  if (DataType.isStruct(type)) return structValue(value, type.children);
  return undefined;
}

function integer(value: JsonValue): bigint | undefined {
  if (typeof value === "bigint") return isInt64(value) ? value : undefined;
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

function float(value: JsonValue): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "bigint" && BigInt(Number(value)) === value ? Number(value) : undefined;
}

function listValue(items: readonly JsonValue[], field: Field | undefined): ColumnValue {
  if (field === undefined) return undefined;
  const values = items.map((item) => columnValue(item, field));
  return values.includes(undefined) ? undefined : values;
}

function structValue(value: JsonValue, fields: readonly Field[]): ColumnValue {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  const members = value as { readonly [name: string]: JsonValue };
  const values: Record<string, ColumnValue> = Object.create(null) as Record<string, ColumnValue>;
  let found = 0;
  for (const field of fields) {
    if (!Object.hasOwn(members, field.name)) continue;
    found++;
    const member = columnValue(members[field.name], field);
    if (member === undefined) return undefined;
    values[field.name] = member;
  }
  return found === Object.keys(members).length ? values : undefined;
}
