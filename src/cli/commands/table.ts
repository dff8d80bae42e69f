import type { TableMetadata, TableQuery } from "../../formats/table.ts";
import type { Context, Flags, Run } from "../command.ts";
import { mayColour } from "../paint.ts";
import { ask } from "../query/ask.ts";
import { checkStdout, chooseFormat } from "../query/destination.ts";
import type { QueryWords } from "../query/explain.ts";
import { parseBox, parseLimit, parseNames } from "../query/words.ts";
import type { AlignedOptions } from "../table/aligned-writer.ts";
import { resultOf } from "../table/result-schema.ts";
import type { TableFormat } from "../table/write-table.ts";

const FORMATS: readonly TableFormat[] = ["csv", "json", "ndjson", "arrow", "markdown"];
const ENDINGS: Readonly<Record<string, TableFormat>> = {
  ".csv": "csv",
  ".json": "json",
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".arrow": "arrow",
  ".arrows": "arrow",
  ".feather": "arrow",
  ".md": "markdown",
};
const KINDS = { csv: "text", json: "json", ndjson: "json", arrow: "binary", markdown: "text" } as const;

/** What a screen holds; `--limit` asks for more. */
const ROWS_SHOWN = 40;
const PLAIN_WIDTH = 80;

async function queryOf(flags: Flags): Promise<{ readonly query: TableQuery; readonly words: QueryWords }> {
  const [columns, where, bbox, limit] = ["columns", "where", "bbox", "limit"].map((name) => flags.text(name));
  const plain = {
    ...(columns !== undefined && { columns: parseNames(columns) }),
    ...(bbox !== undefined && { bbox: parseBox(bbox) }),
    ...(limit !== undefined && { limit: parseLimit(limit) }),
  };
  if (where === undefined) return { query: plain, words: plain };
  const { parsePredicate } = await import("../../formats/predicate/parse-predicate.ts");
  return { query: { ...plain, where: await parsePredicate(where) }, words: { ...plain, where } };
}

/** A form for eyes alone: only on a terminal, and only where no form was asked for. */
function isForEyes(flags: Flags, { out, settings }: Context): boolean {
  const isPlain = flags.text("format") === undefined && flags.text("output") === undefined;
  return isPlain && out.isTerminal && !settings.json && !flags.on("explain");
}

function formatOf(flags: Flags, context: Context): TableFormat {
  const output = flags.text("output");
  const format = chooseFormat({
    flag: flags.text("format"),
    output,
    endings: ENDINGS,
    names: FORMATS,
    fallback: context.settings.json && output === undefined ? "json" : "csv",
  });
  if (!flags.on("explain")) checkStdout(context, { output, format, kind: KINDS[format] });
  return format;
}

function viewOf(metadata: TableMetadata, query: TableQuery, { out, environment }: Context): AlignedOptions {
  const isCounted = query.where === undefined && query.bbox === undefined && metadata.rows !== undefined;
  return {
    // Terminals that do not know their width say 0.
    width: process.stdout.columns > 0 ? process.stdout.columns : PLAIN_WIDTH,
    maxRows: query.limit ?? ROWS_SHOWN,
    colour: mayColour(out.isTerminal, environment),
    ...(isCounted && metadata.rows !== undefined && { totalRows: metadata.rows }),
  };
}

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  const { query, words } = await queryOf(flags);
  const format = formatOf(flags, context);
  const forEyes = isForEyes(flags, context);
  // One row more than is shown tells that there is more.
  const scanned = forEyes ? { ...query, limit: query.limit ?? ROWS_SHOWN + 1 } : query;
  return ask(
    {
      reference,
      path,
      query: scanned,
      words,
      format,
      open: (artifact, file, options) => artifact.table(file, options),
      answer: async (reader, output) => {
        const { writeTable } = await import("../table/write-table.ts");
        const { metadata } = reader;
        const { schema, batches } = await resultOf(reader.scan(scanned), { metadata, query });
        const view = forEyes ? { view: viewOf(metadata, query, context) } : {};
        return { rows: await writeTable(batches, { format: forEyes ? "aligned" : format, output, schema, ...view }) };
      },
    },
    { flags, context },
  );
};
