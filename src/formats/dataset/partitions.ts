import { instantOf } from "../predicate/instant.ts";

export type PartitionType = "integer" | "date" | "timestamp" | "text";

/** A column that directories spell: `year=2024/month=01/x.parquet`. */
export interface PartitionColumn {
  readonly name: string;
  readonly type: PartitionType;
  /** A column of text whose values are all numbers with leading zeros (`01`): it may be compared with numbers too. */
  readonly numerals: boolean;
}

export interface Partitions {
  readonly columns: readonly PartitionColumn[];
  /** Values in the order of `columns`, by path; undefined is null. */
  readonly values: ReadonlyMap<string, readonly (string | undefined)[]>;
}

const NULL_NAME = "__hive_default_partition__";
const INTEGER = /^\s*(?:-?[1-9]\d{0,18}|-?0)\s*$/;
const NUMERAL = /^\d{1,18}$/;
const DATE = /^\d{4,6}-\d{1,2}-\d{1,2}$/;
const TIMESTAMP = /^\d{4,6}-\d{1,2}-\d{1,2}[ T]\d{1,2}:\d{2}:\d{2}(?:\.\d{1,9})?$/;

/**
 * The partition columns of Hive-style paths, typed by all of their values as DuckDB's `hive_types_autocast` does: date, timestamp,
 * 64-bit integer without leading zeros, else text; percent-decoded; `__HIVE_DEFAULT_PARTITION__` and `NULL` are null. Directories
 * count only where every path has the same keys in the same order; else there are no such columns, also as in DuckDB.
 */
export function partitionsOf(paths: readonly string[]): Partitions {
  const pairs = new Map(paths.map((path) => [path, pairsOf(path)]));
  const [first = []] = pairs.values();
  const names = first.map(([name]) => name);
  const same = [...pairs.values()].every(
    (own) => own.length === names.length && own.every(([name], i) => name === names[i]),
  );
  if (!same || new Set(names).size < names.length) return { columns: [], values: new Map() };
  const values = new Map([...pairs].map(([path, own]) => [path, own.map(([, value]) => value)]));
  const columns = names.map((name, i) => {
    const known = [...values.values()].flatMap((own) => own[i] ?? []);
    return { name, type: typeOf(known), numerals: known.length > 0 && known.every((value) => NUMERAL.test(value)) };
  });
  return { columns, values };
}

function pairsOf(path: string): readonly (readonly [string, string | undefined])[] {
  return path
    .split("/")
    .slice(0, -1)
    .flatMap((directory) => {
      const equals = directory.indexOf("=");
      if (equals < 1) return [];
      const value = decoded(directory.slice(equals + 1));
      const folded = value.toLowerCase();
      return [
        [decoded(directory.slice(0, equals)), folded === NULL_NAME || folded === "null" ? undefined : value] as const,
      ];
    });
}

/** A lone `%` stands for itself. */
function decoded(name: string): string {
  return name.replace(/(?:%[0-9a-f]{2})+/gi, (escaped) => {
    try {
      return decodeURIComponent(escaped);
    } catch {
      return escaped;
    }
  });
}

function typeOf(values: readonly string[]): PartitionType {
  const all = (test: (value: string) => boolean): boolean => values.length > 0 && values.every(test);
  if (all((value) => DATE.test(value) && instantOf(value) !== undefined)) return "date";
  if (all((value) => TIMESTAMP.test(value) && instantOf(value) !== undefined)) return "timestamp";
  return all((value) => INTEGER.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value)) ? "integer" : "text";
}
