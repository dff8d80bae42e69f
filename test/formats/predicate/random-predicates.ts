/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A column as predicates may use it. */
export interface RandomColumn {
  /** As SQL spells it. */
  readonly name: string;
  /** As SQL spells them; without any, only `IS NULL` is asked. */
  readonly literals: readonly string[];
  readonly patterns?: readonly string[];
  /** Columns that it may be compared with. */
  readonly peers?: readonly string[];
  readonly isTruth?: boolean;
}

/** The text of a predicate that DuckDB understands as we do. */
export function randomPredicate(columns: readonly RandomColumn[], random: () => number): string {
  return node(columns, { random, depth: random() < 0.4 ? 0 : random() < 0.7 ? 1 : 3 });
}

interface Context {
  readonly random: () => number;
  readonly depth: number;
}

function node(columns: readonly RandomColumn[], context: Context): string {
  const { random, depth } = context;
  if (depth === 0 || random() < 0.15) return leaf(columns, random);
  const below = { random, depth: depth - 1 };
  const roll = random();
  if (roll < 0.2) return `NOT (${node(columns, below)})`;
  const count = 2 + Math.floor(random() * 2);
  const terms = Array.from({ length: count }, () => node(columns, below));
  return `(${terms.join(roll < 0.6 ? " AND " : " OR ")})`;
}

function leaf(columns: readonly RandomColumn[], random: () => number): string {
  const column = pick(columns, random);
  const { name, literals } = column;
  const roll = random();
  if (roll < 0.08 || literals.length === 0) return `${name} IS ${random() < 0.5 ? "NOT " : ""}NULL`;
  const literal = (): string => pick(literals, random);
  const not = random() < 0.35 ? "NOT " : "";
  if (roll < 0.2) return `${name} ${not}BETWEEN ${literal()} AND ${literal()}`;
  if (roll < 0.35) {
    const values = Array.from({ length: 1 + Math.floor(random() * 5) }, literal);
    return `${name} ${not}IN (${values.join(", ")}${random() < 0.1 ? ", NULL" : ""})`;
  }
  if (roll < 0.5 && column.patterns !== undefined) return `${name} ${not}LIKE ${pick(column.patterns, random)}`;
  if (roll < 0.5 && column.isTruth === true) return random() < 0.5 ? `${not}${name}` : `${name} IS ${not}TRUE`;
  const operator = pick(["=", "<>", "<", "<=", ">", ">=", "!="], random);
  if (roll < 0.62 && column.peers !== undefined) return `${name} ${operator} ${pick(column.peers, random)}`;
  return random() < 0.1 ? `${literal()} ${operator} ${name}` : `${name} ${operator} ${literal()}`;
}

export function pick<T>(list: readonly T[], random: () => number): T {
  const picked = list[Math.floor(random() * list.length)];
  if (picked === undefined) throw new Error("nothing to pick from");
  return picked;
}
