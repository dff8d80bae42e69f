import { RiffleError } from "../../errors.ts";
import { checked, lastRowEnd } from "../text/blocks.ts";
import { QUOTE, type Dialect } from "./dialect.ts";
import { parseRecords } from "./records.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DELIMITERS = [",", ";", "\t", "|"] as const;
/** Rows that the delimiter is told from. */
const DELIMITER_SAMPLE_BYTES = 64 * 1024;

export interface Sample {
  readonly dialect: Dialect;
  /** The whole rows of the first block. */
  readonly rows: Uint8Array;
}

/** Told from the first block alone; `isWhole` when it is all of the file. */
export function sniffDialect(first: Uint8Array, { isWhole, id }: { isWhole: boolean; id: string }): Sample {
  const skip = byteOrderMark(first, id);
  const body = first.subarray(skip);
  const lineEnd = body.includes(NEWLINE) || !body.includes(RETURN) ? NEWLINE : RETURN;
  const rowsWithin = (bytes: Uint8Array, all: boolean): Uint8Array =>
    all ? bytes : bytes.subarray(0, lastRowEnd(bytes, { lineEnd, quote: QUOTE, from: 0, isQuoted: false }).end);
  const rows = checked(rowsWithin(body, isWhole), id);
  if (rows.length === 0 && body.length > 0) {
    throw new RiffleError("unsupported", `the first row is longer than ${body.length} bytes: ${id}`, {
      hint: "a quote that never closes makes one, and so does a file that is no CSV",
    });
  }
  const little =
    rows.length > DELIMITER_SAMPLE_BYTES ? rowsWithin(rows.subarray(0, DELIMITER_SAMPLE_BYTES), false) : rows;
  const delimiter = sniffDelimiter(little.length > 0 ? little : rows, lineEnd);
  return { dialect: { delimiter, lineEnd, skip }, rows };
}

function byteOrderMark(first: Uint8Array, id: string): number {
  const [a, b, c] = first;
  if (a === 0xef && b === 0xbb && c === 0xbf) return 3;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw new RiffleError("unsupported", `text in UTF-16: ${id}`, { hint: "convert it to UTF-8" });
  }
  return 0;
}

/**
 * The delimiter that gives every row of the sample as many fields, the most of them; where none does, the one that splits
 * the first row, so that the row that breaks the rule is named when it is read; else the comma.
 */
function sniffDelimiter(rows: Uint8Array, lineEnd: number): string {
  let best = { delimiter: ",", fields: 1 };
  let splitting: { delimiter: string; fields: number } | undefined;
  for (const delimiter of DELIMITERS) {
    const counts = fieldCounts(rows, { delimiter, lineEnd, skip: 0 });
    const fields = counts?.[0] ?? 1;
    if (counts === undefined || fields < 2) continue;
    if (fields > (splitting?.fields ?? 1)) splitting = { delimiter, fields };
    if (fields > best.fields && counts.every((other) => other === fields)) best = { delimiter, fields };
  }
  return best.fields > 1 ? best.delimiter : (splitting?.delimiter ?? best.delimiter);
}

function fieldCounts(rows: Uint8Array, dialect: Dialect): readonly number[] | undefined {
  try {
    return parseRecords({ bytes: rows, linesBefore: 0 }, { dialect, skipEmpty: true }).map((record) => record.length);
  } catch {
    // Quotes that do not fit this delimiter: it is another.
    return undefined;
  }
}
