import { ColumnType } from "flatgeobuf/lib/mjs/flat-geobuf/column-type.js";
import { GeometryType } from "flatgeobuf/lib/mjs/flat-geobuf/geometry-type.js";

/** The member of the package's enumeration with this code, undefined where there is none. */
export function geometryTypeOf(code: number): GeometryType | undefined {
  // A numeric enumeration gives the name of a code, and the names are its keys.
  const name = GeometryType[code] as keyof typeof GeometryType | undefined;
  return name === undefined ? undefined : GeometryType[name];
}

/** The same for the types of columns. */
export function columnTypeOf(code: number): ColumnType | undefined {
  const name = ColumnType[code] as keyof typeof ColumnType | undefined;
  return name === undefined ? undefined : ColumnType[name];
}
