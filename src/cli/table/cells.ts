import { DataType, UnionMode, type Data, type Field } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { scalarCells, type CellAt, type Cells } from "./scalar-cells.ts";

/**
 * The values of one column of one batch, exactly. Lists are JSON arrays, structs and maps objects (a map's keys being the text
 * of the key), a union the JSON of the member that is there. Throws `unsupported` for a type that there is no text for.
 */
export function cellsOf(field: Field, data: Data): Cells {
  if (DataType.isUnion(data.type)) return unionCells(data);
  const { form, at } = scalarCells(field, data) ?? compoundCells(field, data);
  return { form, at: (row) => (data.getValid(row) ? at(row) : undefined) };
}

/** A cell as JSON. NaN and the infinities, which JSON has no numbers for, are strings; integers keep all of their digits. */
export function jsonText({ form, at }: Cells, row: number): string {
  const text = at(row);
  if (text === undefined) return "null";
  if (form === "json") return text;
  if (form === "text" || text === "NaN" || text.endsWith("Infinity")) return JSON.stringify(text);
  return text;
}

function compoundCells(field: Field, data: Data): Cells {
  const { type, children } = data;
  if (DataType.isDictionary(type)) return dictionaryCells(field, data);
  if (DataType.isStruct(type)) return { form: "json", at: structAt(type.children, children) };
  const [childField, child] = [(type.children as readonly Field[] | null)?.[0], children[0]];
  if (childField === undefined || child === undefined) {
    throw new RiffleError(
      "unsupported",
      `column ${JSON.stringify(field.name)} is of type ${String(field.type)}, which has no text`,
    );
  }
  const bounds = boundsOf(data);
  if (DataType.isMap(type)) return { form: "json", at: mapAt(childField, { child, bounds }) };
  const cells = cellsOf(childField, child);
  return { form: "json", at: (row) => `[${listItems(bounds(row), (at) => jsonText(cells, at))}]` };
}

function listItems([start, end]: readonly [number, number], itemAt: (at: number) => string): string {
  const items: string[] = [];
  for (let at = start; at < end; at++) items.push(itemAt(at));
  return items.join(",");
}

function structAt(fields: readonly Field[], children: readonly Data[]): CellAt {
  const members = fields.flatMap((field, index) => {
    const child = children[index];
    return child === undefined ? [] : [{ key: `${JSON.stringify(field.name)}:`, cells: cellsOf(field, child) }];
  });
  return (row) => `{${members.map(({ key, cells }) => key + jsonText(cells, row)).join(",")}}`;
}

function mapAt(entries: Field, { child, bounds }: { child: Data; bounds: Bounds }): CellAt {
  const [keyField, valueField] = entries.type.children as readonly Field[];
  const [keys, values] = child.children;
  if (!keyField || !valueField || !keys || !values) throw new RiffleError("malformed", "a map without keys and values");
  const key = cellsOf(keyField, keys).at;
  const value = cellsOf(valueField, values);
  return (row) => `{${listItems(bounds(row), (at) => `${JSON.stringify(key(at) ?? "null")}:${jsonText(value, at)}`)}}`;
}

type Bounds = (row: number) => readonly [number, number];

function boundsOf(data: Data): Bounds {
  if (DataType.isFixedSizeList(data.type)) {
    const { listSize } = data.type;
    return (row) => [row * listSize, (row + 1) * listSize];
  }
  // Offsets are of 32 bits, or of 64 in the types that are called large.
  const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
  return (row) => [Number(offsets[row]), Number(offsets[row + 1])];
}

function dictionaryCells(field: Field, data: Data): Cells {
  const chunks = (data.dictionary?.data ?? []).map((chunk) => ({ cells: cellsOf(field, chunk), length: chunk.length }));
  const keys = data.values as ArrayLike<number | bigint>;
  const at = (row: number): string | undefined => {
    let key = Number(keys[row]);
    for (const { cells, length } of chunks) {
      if (key < length) return cells.at(key);
      key -= length;
    }
    return undefined;
  };
  return { form: chunks[0]?.cells.form ?? "text", at };
}

function unionCells(data: Data): Cells {
  if (!DataType.isUnion(data.type)) throw new RiffleError("internal", "not a union");
  const { mode, typeIdToChildIndex, children: fields } = data.type;
  const members = (fields as readonly Field[]).map((field, index) => {
    const child = data.children[index];
    return child === undefined ? undefined : cellsOf(field, child);
  });
  const at = (row: number): string | undefined => {
    const member = members[typeIdToChildIndex[data.typeIds[row] ?? 0] ?? 0];
    const inner = mode === UnionMode.Dense ? Number(data.valueOffsets[row]) : row;
    return member?.at(inner) === undefined ? undefined : jsonText(member, inner);
  };
  return { form: "json", at };
}
