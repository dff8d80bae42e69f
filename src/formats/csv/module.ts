import type { FileInfo } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { tableColumns } from "../table-columns.ts";
import { csvTable, openCsv } from "./reader.ts";

const DELIMITER_NAMES: Readonly<Record<string, string>> = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };

export const csv: FormatModule = {
  info: async (source, options): Promise<FileInfo> => {
    const { dialect, schema, hasHeader, isWhole, rowsAtHand } = await openCsv(source, options);
    const notes = [
      ...(!isWhole ? ["types are told from the first MiB; a later value that does not fit is an error"] : []),
      "rows can only be found by reading all that lies before them",
    ];
    return {
      format: "csv",
      title: "Comma-separated values",
      facts: {
        delimiter: DELIMITER_NAMES[dialect.delimiter] ?? dialect.delimiter,
        header: hasHeader,
        rows: isWhole ? rowsAtHand : null,
        columns: tableColumns(schema).map(({ name, type }) => ({ name, type })),
      },
      notes,
    };
  },
  table: csvTable,
};
