import { Schema, type Field, type RecordBatch } from "apache-arrow";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { columnData } from "../build/column-data.ts";
import { recordBatch } from "../build/record-batch.ts";
import type { FormatOptions } from "../format.ts";
import { bindRows } from "../rows.ts";
import { refuseBox, tableColumns } from "../table-columns.ts";
import type { TableQuery, TableReader } from "../table.ts";
import { BLOCK_BYTES, checked, lastRowEnd, rowBlocks, type RowBlock } from "../text/blocks.ts";
import { textPlan } from "../text/text-plan.ts";
import { parseJson, type JsonValue } from "./exact-json.ts";
import { jsonField, jsonTypeOf, merged, type JsonType } from "./json-type.ts";
import { columnValue } from "./json-value.ts";

const NEWLINE = 0x0a;

export interface NdjsonFile {
  readonly schema: Schema;
  readonly first: Uint8Array;
  /** Bytes of a byte order mark. */
  readonly skip: number;
  readonly isWhole: boolean;
  /** In the whole rows of the first block. */
  readonly rowsAtHand: number;
}

/** Reads the first block and tells the columns and their types from it, in the order in which they first appear. */
export async function openNdjson(source: RangeSource, options: FormatOptions = {}): Promise<NdjsonFile> {
  const first = await source.read({ start: 0, end: Math.min(source.size, BLOCK_BYTES) }, readOptions(options));
  const skip = first[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf ? 3 : 0;
  const isWhole = first.length >= source.size;
  const body = first.subarray(skip);
  const { end } = lastRowEnd(body, { lineEnd: NEWLINE, quote: undefined, from: 0, isQuoted: false });
  if (!isWhole && end === 0)
    throw new RiffleError("unsupported", `the first row is longer than ${body.length} bytes: ${source.id}`);
  const rows = rowsOf({ bytes: checked(isWhole ? body : body.subarray(0, end), source.id), linesBefore: 0 });
  const type = rows.reduce<JsonType>((seen, { value }) => merged(seen, jsonTypeOf(value)), {
    kind: "object",
    members: new Map(),
  });
  if (type.kind !== "object")
    throw new RiffleError("unsupported", `rows with more members than columns can be: ${source.id}`);
  const schema = new Schema([...type.members].map(([name, member]) => jsonField(name, member)));
  return { schema, first, skip, isWhole, rowsAtHand: rows.length };
}

/** A file of JSON objects, one a line, as a table. What the first block does not show is `malformed` with its line. */
export async function ndjsonTable(source: RangeSource, options: FormatOptions = {}): Promise<TableReader> {
  const file = await openNdjson(source, options);
  const { schema, first, isWhole, rowsAtHand } = file;
  return {
    metadata: { format: "ndjson", columns: tableColumns(schema), rows: isWhole ? rowsAtHand : undefined },
    extents: () => [],
    plan: async (query) => {
      refuseBox(query, "ndjson");
      bindRows(schema, query);
      return textPlan(source, { firstBytes: first.length, rowsAtHand, query, options });
    },
    scan: (query, how = {}) => {
      refuseBox(query, "ndjson");
      const bound = bindRows(schema, query);
      return bound.run(batches(source, { file, needed: bound.needed, query, how: { ...options, ...how } }));
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Batches {
  readonly file: NdjsonFile;
  readonly needed: readonly number[];
  readonly query: TableQuery;
  readonly how: ReadOptions;
}

async function* batches(source: RangeSource, { file, needed, query, how }: Batches): AsyncGenerator<RecordBatch> {
  const { schema, first, skip } = file;
  const wanted = schema.selectAt([...needed]);
  // Who names columns does not want others; who names none wants all that there are.
  const known = query.columns === undefined ? new Set(schema.fields.map((field) => field.name)) : undefined;
  const ahead = query.limit === undefined;
  for await (const block of rowBlocks(source, { ...readOptions(how), first, skip, lineEnd: NEWLINE, ahead })) {
    const rows = rowsOf(block);
    if (known !== undefined) for (const row of rows) checkNames(row, known);
    const columns = wanted.fields.map((field) =>
      columnData(
        field.type,
        rows.map((row) => fitted(row, field)),
      ),
    );
    yield recordBatch(wanted, { columns, rows: rows.length });
  }
}

interface Row {
  readonly line: number;
  readonly value: { readonly [name: string]: JsonValue };
}

function rowsOf({ bytes, linesBefore }: RowBlock): readonly Row[] {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8").split("\n");
  return lines.flatMap((text, index) => {
    if (text.trim() === "") return [];
    const line = linesBefore + index + 1;
    const value = parsed(text, line);
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      throw new RiffleError("malformed", `line ${line} is no JSON object`);
    }
    // What is left of the union is an object, which narrowing does not see past a readonly array.
    return [{ line, value: value as Row["value"] }];
  });
}

function parsed(text: string, line: number): JsonValue {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RiffleError("malformed", `line ${line} is no JSON`, { cause: error });
  }
}

function checkNames({ line, value }: Row, known: ReadonlySet<string>): void {
  const unknown = Object.keys(value).find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw new RiffleError(
    "malformed",
    `line ${line} has ${JSON.stringify(unknown)}, which the first block of the file does not have`,
    {
      hint: "name the columns that you need",
    },
  );
}

function fitted({ line, value }: Row, field: Field): ReturnType<typeof columnValue> {
  const fit = columnValue(Object.hasOwn(value, field.name) ? value[field.name] : null, field);
  if (fit !== undefined) return fit;
  const type = String(field.type);
  throw new RiffleError(
    "malformed",
    `line ${line} has a value in column ${JSON.stringify(field.name)} that does not fit ${type}, its type by the first block of the file`,
    { hint: "name the columns that you need, without this one" },
  );
}

function readOptions({ signal, priority = "demand" }: ReadOptions): ReadOptions {
  return { priority, ...(signal === undefined ? {} : { signal }) };
}
