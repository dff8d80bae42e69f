/** SGR codes (ECMA-48, 8.3.117). */
const CODES = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

export type Colour = keyof typeof CODES;

/** Colours only on a terminal and without NO_COLOR (https://no-color.org: any value that is not empty). */
export function mayColour(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal && (environment["NO_COLOR"] ?? "") === "" && environment["TERM"] !== "dumb";
}

export function paint(text: string, colour: Colour, wanted: boolean): string {
  return wanted ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
