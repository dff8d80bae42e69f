import type { Schema } from "apache-arrow";
import { RiffleError } from "../errors.ts";
import type { FormatName } from "./format.ts";
import type { TableColumn, TableQuery } from "./table.ts";

/** The columns of a schema as `TableMetadata` lists them. */
export function tableColumns(schema: Schema): readonly TableColumn[] {
  return schema.fields.map(({ name, type, nullable }) => ({ name, type: String(type), nullable }));
}

/** For formats without geometry. */
export function refuseBox({ bbox }: TableQuery, format: FormatName): void {
  if (bbox !== undefined) throw new RiffleError("usage", `a ${format} file has no geometry that a box could choose by`);
}
