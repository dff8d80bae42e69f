import { DataType } from "apache-arrow";

/** Types whose values are numbers to people: they stand at the right of a column. */
export function isNumeric(type: DataType): boolean {
  if (DataType.isDictionary(type)) return isNumeric(type.dictionary);
  return DataType.isInt(type) || DataType.isFloat(type) || DataType.isDecimal(type);
}
