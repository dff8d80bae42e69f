import type { Fact } from "../formats/format.ts";
import { oneLine } from "./exit.ts";
import { paint } from "./paint.ts";
import { formatBytes } from "./quantities.ts";

export interface FactsStyle {
  readonly colour: boolean;
  /** The longest cell of a table; longer ones are cut with an ellipsis. Undefined: nothing is cut. */
  readonly cellLimit: number | undefined;
}

type FactObject = { readonly [name: string]: Fact };

const INDENT = "  ";

/** `Array.isArray` says \`any[]\` of a readonly list. */
function isList(fact: Fact): fact is readonly Fact[] {
  return Array.isArray(fact);
}

function isObject(fact: Fact): fact is FactObject {
  return typeof fact === "object" && fact !== null && !isList(fact);
}

/** `tileCompression` -> `tile compression`; what is no such word stays as it is. */
function words(key: string): string {
  return /^[a-z][A-Za-z0-9]*$/.test(key) ? key.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (c) => ` ${c.toLowerCase()}`) : key;
}

/** One line, whatever an author wrote. */
function inline(fact: Fact): string {
  if (isList(fact)) return fact.length === 0 ? "none" : fact.map(inline).join(", ");
  if (isObject(fact)) {
    const members = Object.entries(fact).map(([key, value]) => `${oneLine(key)} ${inline(value)}`);
    return members.join(", ");
  }
  if (fact === null) return "-";
  if (typeof fact === "boolean") return fact ? "yes" : "no";
  return oneLine(String(fact));
}

function valueText(key: string, fact: Fact): string {
  const isSize = /(?:^b|B)ytes$/.test(key) && typeof fact === "number" && fact >= 1024;
  return isSize ? `${fact} (${formatBytes(fact)})` : inline(fact);
}

/** `label:  value`, the values in one column. */
export function labelled(
  rows: readonly (readonly [label: string, value: string])[],
  style: FactsStyle,
): readonly string[] {
  const width = Math.max(0, ...rows.map(([label]) => label.length)) + 3;
  return rows.map(([label, value]) => {
    const head = `${label}:`;
    return `${paint(head, "bold", style.colour)}${" ".repeat(Math.max(1, width - head.length))}${value}`.trimEnd();
  });
}

function cut(text: string, limit: number | undefined): string {
  const letters = Array.from(text);
  return limit === undefined || letters.length <= limit ? text : `${letters.slice(0, limit - 1).join("")}…`;
}

/** Objects as rows, with a heading; numbers stand to the right. */
function table(rows: readonly FactObject[], style: FactsStyle): readonly string[] {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const isNumeric = keys.map((key) => rows.every((row) => row[key] === undefined || typeof row[key] === "number"));
  const cells = rows.map((row) =>
    keys.map((key) => cut(row[key] === undefined ? "" : inline(row[key]), style.cellLimit)),
  );
  const heading = keys.map(words);
  const widths = keys.map((_, at) =>
    [heading, ...cells].reduce((most, row) => Math.max(most, row[at]?.length ?? 0), 0),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (isNumeric[at] === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join(INDENT)
      .trimEnd();
  return [paint(line(heading), "dim", style.colour), ...cells.map(line)];
}

function isTable(fact: Fact): fact is readonly FactObject[] {
  return isList(fact) && fact.length > 0 && fact.every(isObject);
}

function section(title: string, lines: readonly string[], style: FactsStyle): readonly string[] {
  return ["", paint(`${title}:`, "bold", style.colour), ...lines.map((line) => `${INDENT}${line}`)];
}

/**
 * Facts for people: plain ones as aligned lines, then a section for each object and each table. Names that riffle gave are
 * spelled as words; those inside objects are the file's own and stay.
 */
export function factsText(facts: FactObject, style: FactsStyle): readonly string[] {
  const plain = Object.entries(facts).filter(([, fact]) => !isObject(fact) && !isTable(fact));
  const lines = [
    ...labelled(
      plain.map(([key, fact]) => [words(key), valueText(key, fact)] as const),
      style,
    ),
  ];
  for (const [key, fact] of Object.entries(facts)) {
    if (isTable(fact)) lines.push(...section(words(key), table(fact, style), style));
    else if (isObject(fact) && Object.keys(fact).length > 0) {
      const rows = Object.entries(fact).map(([name, value]) => [oneLine(name), valueText(name, value)] as const);
      lines.push(...section(words(key), labelled(rows, style), style));
    }
  }
  return lines;
}
