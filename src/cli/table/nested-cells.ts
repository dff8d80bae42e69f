import { DataType, type Data, type Field } from "apache-arrow";
import { cellsOf, jsonText, type CellAt, type Cells } from "./cells.ts";

/** Lists as JSON arrays, structs as objects, maps as objects whose keys are the text of the key (the last of equal keys counts to readers). */
export function nestedAt(field: Field, data: Data): (row: number) => string {
  const { type, children } = data;
  const fields = type.children as Field[];
  if (DataType.isStruct(type)) return structAt(fields, children);
  const [childField, child] = [fields[0], children[0]];
  if (childField === undefined || child === undefined) throw new Error(`a nested type without a child: ${field.name}`);
  const bounds = boundsOf(data);
  if (DataType.isMap(type)) return mapAt(childField, { child, bounds });
  const cells = cellsOf(childField, child);
  return (row) => {
    const [start, end] = bounds(row);
    const items: string[] = [];
    for (let at = start; at < end; at++) items.push(jsonText(cells, at));
    return `[${items.join(",")}]`;
  };
}

function structAt(fields: readonly Field[], children: readonly Data[]): (row: number) => string {
  const cells: Cells[] = children.map((child, index) => cellsOf(fields[index] as Field, child));
  const keys = fields.map((field) => `${JSON.stringify(field.name)}:`);
  return (row) => `{${cells.map((cell, index) => `${keys[index] ?? ""}${jsonText(cell, row)}`).join(",")}}`;
}

function mapAt(entries: Field, { child, bounds }: { child: Data; bounds: Bounds }): (row: number) => string {
  const fields = entries.type.children as Field[];
  const [keyField, valueField] = [fields[0], fields[1]];
  const [keyData, valueData] = [child.children[0], child.children[1]];
  if (!keyField || !valueField || !keyData || !valueData) throw new Error("a map without keys and values");
  const key: CellAt = cellsOf(keyField, keyData).at;
  const value = cellsOf(valueField, valueData);
  return (row) => {
    const [start, end] = bounds(row);
    const items: string[] = [];
    for (let at = start; at < end; at++) items.push(`${JSON.stringify(key(at) ?? "null")}:${jsonText(value, at)}`);
    return `{${items.join(",")}}`;
  };
}

type Bounds = (row: number) => readonly [number, number];

function boundsOf(data: Data): Bounds {
  if (DataType.isFixedSizeList(data.type)) {
    const { listSize } = data.type;
    return (row) => [row * listSize, (row + 1) * listSize];
  }
  const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
  return (row) => [Number(offsets[row]), Number(offsets[row + 1])];
}
