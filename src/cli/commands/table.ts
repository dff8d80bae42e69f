import { RiffleError } from "../../errors.ts";
import type { TableQuery } from "../../formats/table.ts";
import type { Flags, Run } from "../command.ts";
import { ask } from "../query/ask.ts";
import type { QueryWords } from "../query/explain.ts";
import { parseBox, parseLimit, parseNames } from "../query/words.ts";

async function queryOf(flags: Flags): Promise<{ readonly query: TableQuery; readonly words: QueryWords }> {
  const columns = flags.text("columns");
  const where = flags.text("where");
  const bbox = flags.text("bbox");
  const limit = flags.text("limit");
  const query: TableQuery = {
    ...(columns !== undefined && { columns: parseNames(columns) }),
    ...(bbox !== undefined && { bbox: parseBox(bbox) }),
    ...(limit !== undefined && { limit: parseLimit(limit) }),
  };
  return { query, words: { ...query, ...(where !== undefined && { where }) } };
}

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  const { query, words } = await queryOf(flags);
  return ask(
    {
      reference,
      path,
      query,
      words,
      format: "csv",
      open: (artifact, file, options) => artifact.table(file, options),
      answer: async () => {
        throw new RiffleError("not-yet", "tables");
      },
    },
    { flags, context },
  );
};
