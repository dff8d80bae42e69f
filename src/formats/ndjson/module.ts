import type { FileInfo } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { tableColumns } from "../table-columns.ts";
import { ndjsonTable, openNdjson } from "./reader.ts";

export const ndjson: FormatModule = {
  info: async (source, options): Promise<FileInfo> => {
    const { schema, isWhole, rowsAtHand } = await openNdjson(source, options);
    return {
      format: "ndjson",
      title: "JSON lines",
      facts: {
        rows: isWhole ? rowsAtHand : null,
        columns: tableColumns(schema).map(({ name, type }) => ({ name, type })),
      },
      notes: [
        ...(isWhole ? [] : ["columns and types are told from the first MiB; what it does not show is an error"]),
        "rows can only be found by reading all that lies before them",
      ],
    };
  },
  table: ndjsonTable,
};
