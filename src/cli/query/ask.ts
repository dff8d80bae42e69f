import type { Artifact } from "../../artifact/artifact.ts";
import type { FormatOptions, FormatReader } from "../../formats/format.ts";
import { isFileSet } from "../../formats/open.ts";
import type { Context, Flags } from "../command.ts";
import { openFor, unpackOf } from "../open.ts";
import { createProgress, type Progress } from "../progress.ts";
import { formatBytes } from "../quantities.ts";
import { treePath } from "../tree-path.ts";
import { openDestination, type Destination } from "./destination.ts";
import { explain, type QueryWords } from "./explain.ts";
import { untilAborted } from "./until-aborted.ts";

/** Where the bytes of an answer go: resolves when more may be given. */
export interface Output {
  bytes(bytes: Uint8Array): Promise<void>;
}

/** What `table`, `raster` and `array` have in common: a query of one path, whose answer is bytes. */
export interface Question<Metadata, Query, Batch> {
  readonly reference: string;
  readonly path: string;
  readonly query: Query;
  /** The query as it was asked. */
  readonly words: QueryWords;
  /** Of the answer. */
  readonly format: string;
  /** A reader without state of its own: it is copied. */
  readonly open: (
    artifact: Artifact,
    path: string,
    options: FormatOptions,
  ) => Promise<FormatReader<Metadata, Query, Batch>>;
  /** Writes the answer, in bounded memory where the format allows it. Answers what is to be told of it beside its bytes. */
  readonly answer: (
    reader: FormatReader<Metadata, Query, Batch>,
    output: Output,
  ) => Promise<Readonly<Record<string, number>>>;
}

export async function ask<Metadata, Query, Batch>(
  question: Question<Metadata, Query, Batch>,
  { flags, context }: { readonly flags: Flags; readonly context: Context },
): Promise<number> {
  const { signal } = context;
  const path = treePath(question.path);
  const isExplained = flags.on("explain");
  const output = flags.text("output");
  // What is in the way of the result is told before anything is fetched for it.
  using destination = openDestination(context, {
    output: isExplained ? undefined : output,
    force: flags.on("force"),
  });
  await using artifact = await openFor(context, question.reference, {
    frugal: flags.on("frugal"),
    unpack: unpackOf(flags),
  });
  await using reader = await question.open(artifact, path, { signal });
  if (isExplained) {
    const plan = await reader.plan(question.query, { signal });
    await explain(context, { file: path, query: question.words, plan, size: sizeOf(artifact, path) });
    return 0;
  }
  const isQuiet = context.settings.quiet || (destination.path === undefined && context.out.isTerminal);
  const progress = await followBytes(artifact, context, {
    isQuiet,
    totalBytes: async () => (await reader.plan(question.query, { signal })).bytesFetched,
  });
  const watched: FormatReader<Metadata, Query, Batch> = {
    ...reader,
    scan: (query, how) => untilAborted(reader.scan(query, { signal, ...how }), signal),
  };
  const facts = await question.answer(watched, destination).finally(() => progress.end());
  signal.throwIfAborted();
  await destination.finish();
  await tell(context, { path, question, destination, facts });
  return 0;
}

/** What became of a file that was written; a result on stdout speaks for itself. */
async function tell<Metadata, Query, Batch>(
  context: Context,
  told: {
    readonly path: string;
    readonly question: Question<Metadata, Query, Batch>;
    readonly destination: Destination;
    readonly facts: Readonly<Record<string, number>>;
  },
): Promise<void> {
  const { path: file, question, destination, facts } = told;
  const { path: output, written: bytes } = destination;
  if (output === undefined) return;
  const { words: query, format } = question;
  if (context.settings.json) await context.out.line(JSON.stringify({ file, query, output, format, bytes, ...facts }));
  else context.log("info", `wrote ${formatBytes(bytes)} of ${format} to ${output}`);
}

/** Bytes of the file, or of all files of a directory or pattern. */
function sizeOf(artifact: Artifact, path: string): number {
  const { target } = artifact.formatFile(path);
  if (!isFileSet(target)) return target.size;
  return target.paths.reduce((sum, name) => sum + (target.file(name)?.size ?? 0), 0);
}

const FOLLOW_MS = 200;

/** A progress line from the artifact's own counters; nothing is worked out for it where nobody would see it. */
async function followBytes(
  artifact: Artifact,
  { notes }: Pick<Context, "notes">,
  options: { readonly isQuiet: boolean; readonly totalBytes: () => Promise<number> },
): Promise<Pick<Progress, "end">> {
  if (options.isQuiet || !notes.isTerminal) return { end: () => undefined };
  const totalBytes = await options.totalBytes();
  const progress = createProgress({ notes, quiet: false, totalBytes, what: "reading" });
  let seen = artifact.stats().bytesFetchedByKind.blob;
  const look = (): void => {
    const now = artifact.stats().bytesFetchedByKind.blob;
    progress.add(Math.min(now, totalBytes) - Math.min(seen, totalBytes), false);
    seen = now;
  };
  const timer = setInterval(look, FOLLOW_MS);
  return {
    end: () => {
      clearInterval(timer);
      progress.end();
    },
  };
}
