export const QUOTE = 0x22;

/** How the rows of a file are written. Quotes are `"`, doubled inside of quotes (RFC 4180). */
export interface Dialect {
  readonly delimiter: string;
  /** `\n` (with or without `\r` before it), or `\r` alone. */
  readonly lineEnd: number;
  /** Bytes of a byte order mark. */
  readonly skip: number;
}
