import { Schema } from "apache-arrow";
import { bindPredicate } from "../predicate/bind-predicate.ts";
import { matchRows } from "../predicate/match-rows.ts";
import type { ColumnPath, Literal, Operand, Predicate } from "../predicate/predicate.ts";
import { batchOf, constantData, partitionField } from "./constant-column.ts";
import type { PartitionColumn } from "./partitions.ts";

/** A file's place among the partitions. */
export interface FilePartition {
  readonly columns: readonly PartitionColumn[];
  readonly values: readonly (string | undefined)[];
}

/**
 * The predicate as it is in one file, where its partition columns are constants: undefined where it is true for every row. What
 * partition columns alone decide is decided. Throws `usage` for a literal that does not go with a partition column.
 */
export function predicateWithin(predicate: Predicate, partition: FilePartition): Predicate | undefined {
  const inside = simplified(substituted(predicate, partition));
  return truthOf(inside) === true ? undefined : inside;
}

/** False when the constants in it prove that it is true for no row. */
export function canBeTrue(predicate: Predicate | undefined): boolean {
  return predicate === undefined || possible(predicate).true;
}

function possible(predicate: Predicate): { readonly true: boolean; readonly false: boolean } {
  switch (predicate.kind) {
    case "and":
    case "or": {
      const terms = predicate.terms.map(possible);
      return predicate.kind === "and"
        ? { true: terms.every((term) => term.true), false: terms.some((term) => term.false) }
        : { true: terms.some((term) => term.true), false: terms.every((term) => term.false) };
    }
    case "not": {
      const term = possible(predicate.term);
      return { true: term.false, false: term.true };
    }
    case "truth":
    case "compare":
    case "in":
    case "between":
    case "null":
    case "like":
    default: {
      const known = truthOf(predicate);
      return known === undefined ? { true: true, false: true } : { true: known === true, false: known === false };
    }
  }
}

/** The truth that a predicate spells out; null is unknown, undefined depends on rows. */
function truthOf(predicate: Predicate): boolean | null | undefined {
  if (predicate.kind !== "truth" || predicate.operand.kind !== "literal") return undefined;
  const { value } = predicate.operand;
  return typeof value === "boolean" || value === null ? value : undefined;
}

function truth(value: boolean | null): Predicate {
  return { kind: "truth", operand: { kind: "literal", value } };
}

function simplified(predicate: Predicate): Predicate {
  if (predicate.kind === "not") {
    const term = simplified(predicate.term);
    const known = truthOf(term);
    return known === undefined ? { kind: "not", term } : truth(known === null ? null : !known);
  }
  if (predicate.kind !== "and" && predicate.kind !== "or") return predicate;
  const decisive = predicate.kind === "or";
  const terms = predicate.terms.map(simplified).filter((term) => truthOf(term) !== !decisive);
  if (terms.some((term) => truthOf(term) === decisive)) return truth(decisive);
  const [only] = terms;
  if (only === undefined) return truth(!decisive);
  if (terms.every((term) => truthOf(term) === null)) return truth(null);
  return terms.length === 1 ? only : { kind: predicate.kind, terms };
}

function substituted(predicate: Predicate, partition: FilePartition): Predicate {
  switch (predicate.kind) {
    case "and":
    case "or":
      return { kind: predicate.kind, terms: predicate.terms.map((term) => substituted(term, partition)) };
    case "not":
      return { kind: "not", term: substituted(predicate.term, partition) };
    case "compare": {
      const [left, right] = [isPartition(predicate.left, partition), isPartition(predicate.right, partition)];
      const decided = (left || predicate.left.kind === "literal") && (right || predicate.right.kind === "literal");
      if (decided) return left || right ? decide(predicate, partition) : predicate;
      // The other one is a column of the file.
      return {
        ...predicate,
        left: left ? constant(predicate.left, partition) : predicate.left,
        right: right ? constant(predicate.right, partition) : predicate.right,
      };
    }
    case "truth":
      return isPartition(predicate.operand, partition) ? decide(predicate, partition) : predicate;
    case "in":
    case "between":
    case "null":
    case "like":
    default:
      return find(predicate.path, partition) === undefined ? predicate : decide(predicate, partition);
  }
}

function isPartition(operand: Operand, partition: FilePartition): boolean {
  return operand.kind === "column" && find(operand.path, partition) !== undefined;
}

/** As written first, then by case; a partition column hides a column of the file. */
function find(path: ColumnPath, partition: FilePartition): number | undefined {
  const [name, ...rest] = path;
  if (name === undefined || rest.length > 0) return undefined;
  const exact = partition.columns.findIndex((column) => column.name === name);
  const found =
    exact >= 0 ? exact : partition.columns.findIndex((column) => column.name.toLowerCase() === name.toLowerCase());
  return found >= 0 ? found : undefined;
}

/** A predicate over partition columns alone is tested on one row of them, with all the rules of columns. */
function decide(predicate: Predicate, partition: FilePartition): Predicate {
  const numeric = literalsOf(predicate).some((literal) => isNumeric(literal));
  const columns = partition.columns.map((column) =>
    numeric && column.numerals ? { ...column, type: "integer" as const } : column,
  );
  const data = columns.map((column, i) => constantData({ type: column.type, value: partition.values[i] }, 1));
  const row = batchOf(new Schema(columns.map(partitionField)), { length: 1, data });
  const [result] = matchRows(bindPredicate(predicate, row.schema), row);
  return truth(result === 2 ? null : result === 1);
}

function literalsOf(predicate: Predicate): readonly Literal[] {
  if (predicate.kind === "in") return predicate.values;
  if (predicate.kind === "between") return [predicate.low, predicate.high];
  if (predicate.kind !== "compare") return [];
  return [predicate.left, predicate.right].flatMap((operand) => (operand.kind === "literal" ? [operand.value] : []));
}

function isNumeric(literal: Literal): boolean {
  if (typeof literal === "bigint" || typeof literal === "number") return true;
  return typeof literal === "object" && literal !== null && "decimal" in literal;
}

function constant(operand: Operand, partition: FilePartition): Operand {
  const index = operand.kind === "column" ? find(operand.path, partition) : undefined;
  const column = partition.columns[index ?? -1];
  return column === undefined ? operand : { kind: "literal", value: literalOf(column, partition.values[index ?? -1]) };
}

function literalOf(column: PartitionColumn, value: string | undefined): Literal {
  if (value === undefined) return null;
  switch (column.type) {
    case "integer":
      return BigInt(value);
    case "date":
      return { date: value };
    case "timestamp":
      return { timestamp: value };
    case "text":
    default:
      return value;
  }
}
