import { abortError } from "../../errors.ts";
import type { TableMetadata, TableReader } from "../table.ts";
import type { DatasetFile } from "./dataset-file.ts";

export interface OpenAheadOptions {
  readonly open: (path: string) => Promise<TableReader>;
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
  /** Whether no file after this one will be needed: then none is opened in advance. */
  readonly isLast: (file: DatasetFile, metadata: { readonly rows: number }) => boolean;
}

/**
 * Opens files in their order, the next few while one is being read. Readers are closed here: each when the consumer goes on, and
 * all of them when it stops. The first is opened alone, so that a limit that it satisfies costs no more.
 */
export async function* openAhead(
  files: readonly DatasetFile[],
  options: OpenAheadOptions,
): AsyncGenerator<{ readonly file: DatasetFile; readonly reader: TableReader }> {
  const opening: Promise<TableReader>[] = [];
  let next = 0;
  let done = 0;
  const openUpTo = (end: number): void => {
    for (; next < Math.min(end, files.length); next += 1) {
      const opened = options.open(files[next]?.path ?? "");
      // Nobody may be waiting for it yet when it fails; it is awaited in its turn.
      opened.catch(() => undefined);
      opening.push(opened);
    }
  };
  try {
    for (const [index, file] of files.entries()) {
      if (options.signal?.aborted === true) throw abortError(options.signal);
      openUpTo(index + 1);
      const reader = await opening[index];
      if (reader === undefined) return;
      if (!options.isLast(file, { rows: rowsOf(reader.metadata) })) openUpTo(index + options.concurrency);
      yield { file, reader };
      done = index + 1;
      await reader.close();
    }
  } finally {
    await Promise.all(
      opening.slice(done).map((opened) =>
        opened.then(
          (reader) => reader.close(),
          () => undefined,
        ),
      ),
    );
  }
}

function rowsOf(metadata: TableMetadata): number {
  return metadata.rows ?? 0;
}
