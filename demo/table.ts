export type Align = "left" | "right";

export interface Column {
  readonly title: string;
  readonly align: Align;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1);

/** 10^6 bytes, two digits below one. */
export const showBytes = (bytes: number): string => `${megabytes(bytes)} MB`;
export const showSeconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
export const showShare = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

/** ANSI styles where the stream is a terminal and NO_COLOR (no-color.org) is not set. */
export function styles(colour: boolean): {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
} {
  const wrap = (code: number) => (text: string) => (colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  return { bold: wrap(1), dim: wrap(2), green: wrap(32), red: wrap(31) };
}

/** Lines of equal-width columns, two spaces apart, with a rule under the titles. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) =>
        align === "left" ? (cells[i] ?? "").padEnd(widths[i] ?? 0) : (cells[i] ?? "").padStart(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [
    line(columns.map(({ title }) => title)),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...rows.map(line),
  ];
}
