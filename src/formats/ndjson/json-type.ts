import { Bool, Field, Float64, Int64, List, Struct, Utf8, type DataType } from "apache-arrow";
import type { JsonValue } from "./exact-json.ts";

/**
 * What the values of one place look like. `wide`: integers, some beyond 2^53; `json`: of several kinds, or of a kind that no column
 * has, kept as JSON text.
 */
export type JsonType =
  | { readonly kind: "nothing" | "bool" | "int" | "wide" | "float" | "text" | "json" }
  | { readonly kind: "list"; readonly item: JsonType }
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, JsonType> };

/** Objects with more members are maps of their own, and no structs. */
const MAX_MEMBERS = 2000;
const MAX_DEPTH = 16;
const INT64_LIMIT = 2n ** 63n;
const NOTHING: JsonType = { kind: "nothing" };
const JSON_TEXT: JsonType = { kind: "json" };

export function jsonTypeOf(value: JsonValue, depth = 0): JsonType {
  if (value === null) return NOTHING;
  if (typeof value === "boolean") return { kind: "bool" };
  if (typeof value === "string") return { kind: "text" };
  if (typeof value === "number") return { kind: Number.isSafeInteger(value) ? "int" : "float" };
  if (typeof value === "bigint") return isInt64(value) ? { kind: "wide" } : JSON_TEXT;
  if (depth >= MAX_DEPTH) return JSON_TEXT;
  if (Array.isArray(value)) {
    const items = value as readonly JsonValue[];
    return {
      kind: "list",
      item: items.reduce<JsonType>((type, item) => merged(type, jsonTypeOf(item, depth + 1)), NOTHING),
    };
  }
  const members = Object.entries(value).map(([name, member]) => [name, jsonTypeOf(member, depth + 1)] as const);
  return members.length > MAX_MEMBERS ? JSON_TEXT : { kind: "object", members: new Map(members) };
}

/** The type of places that hold both. */
export function merged(a: JsonType, b: JsonType): JsonType {
  if (a.kind === "nothing") return b;
  if (b.kind === "nothing") return a;
  if (a.kind === "list" && b.kind === "list") return { kind: "list", item: merged(a.item, b.item) };
  if (a.kind === "object" && b.kind === "object") return mergedObjects(a.members, b.members);
  if (a.kind === b.kind) return a;
  const both = new Set([a.kind, b.kind]);
  if (both.has("int") && both.has("wide")) return { kind: "wide" };
  if (both.has("int") && both.has("float")) return { kind: "float" };
  return JSON_TEXT;
}

function mergedObjects(a: ReadonlyMap<string, JsonType>, b: ReadonlyMap<string, JsonType>): JsonType {
  const members = new Map(a);
  for (const [name, type] of b) members.set(name, merged(members.get(name) ?? NOTHING, type));
  return members.size > MAX_MEMBERS ? JSON_TEXT : { kind: "object", members };
}

/** A field for the values of a type. JSON text is marked by Arrow's own extension, so that it is JSON again when written as such. */
export function jsonField(name: string, type: JsonType): Field {
  const isJson = type.kind === "json" || type.kind === "nothing" || (type.kind === "object" && type.members.size === 0);
  return isJson
    ? new Field(name, new Utf8(), true, new Map([["ARROW:extension:name", "arrow.json"]]))
    : new Field(name, arrowType(type), true);
}

function arrowType(type: JsonType): DataType {
  if (type.kind === "list") return new List(jsonField("item", type.item));
  if (type.kind === "object") return new Struct([...type.members].map(([name, member]) => jsonField(name, member)));
  if (type.kind === "bool") return new Bool();
  if (type.kind === "float") return new Float64();
  return type.kind === "int" || type.kind === "wide" ? new Int64() : new Utf8();
}

export function isInt64(value: bigint): boolean {
  return value < INT64_LIMIT && value >= -INT64_LIMIT;
}
