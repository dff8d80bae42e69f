import type { Artifact, Entry } from "../../artifact/artifact.ts";
import { splitRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { selectsFile, startSelection } from "../../layers/globs.ts";
import type { Context, Run } from "../command.ts";
import { openFor, unpackOf } from "../open.ts";
import { createProgress } from "../progress.ts";
import { formatBytes, formatCount } from "../quantities.ts";
import { eachAtOnce } from "../transfer/each.ts";
import { entryAt, isBelow } from "../tree-path.ts";
import { warningText } from "../warnings.ts";

/** Small files in parallel hide round trips; a large one has parts enough for all connections. */
const FILES_AT_ONCE = 4;
/** The largest request; what is held of a part is dropped when the next has come. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 4;

/** What the words name: paths as they are, else patterns. One that names nothing is an error. */
function wantedFiles(artifact: Artifact, words: readonly string[]): readonly Entry[] {
  const files = [...artifact.entries()].filter(({ type }) => type === "file");
  if (words.length === 0) return files;
  const wanted = new Set<Entry>();
  for (const word of words) {
    const isPattern = /[*?[]/.test(word) && artifact.entry(word) === undefined;
    const named = isPattern ? matching(files, word) : below(files, entryAt(artifact, word));
    if (isPattern && named.length === 0) {
      throw new RiffleError("not-found", `no file of ${artifact.reference} matches ${word}`, { facts: { path: word } });
    }
    for (const entry of named) wanted.add(entry);
  }
  return files.filter((entry) => wanted.has(entry));
}

function below(files: readonly Entry[], { path, type }: Entry): readonly Entry[] {
  return files.filter((file) => (type === "directory" ? isBelow(file.path, path) !== "no" : file.path === path));
}

function matching(files: readonly Entry[], pattern: string): readonly Entry[] {
  const selection = startSelection({ include: [pattern] });
  return files.filter(({ path }) => selectsFile(selection, path));
}

async function fill(artifact: Artifact, files: readonly Entry[], context: Context): Promise<void> {
  const { notes, settings, signal } = context;
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  const progress = createProgress({ notes, quiet: settings.quiet, totalBytes, what: "prefetching" });
  const fillFile = async ({ path, size }: Entry, stop: AbortSignal): Promise<void> => {
    const file = artifact.file(path);
    const fetchPart = async (
      part: { readonly start: number; readonly end: number },
      inner: AbortSignal,
    ): Promise<void> => {
      progress.add((await file.bytes(part, { signal: inner })).length, false);
    };
    await eachAtOnce([...splitRange({ start: 0, end: size }, PART_BYTES)], fetchPart, {
      width: PARTS_AT_ONCE,
      signal: stop,
    });
  };
  try {
    await eachAtOnce(files, fillFile, { width: FILES_AT_ONCE, signal });
  } finally {
    progress.end();
  }
}

export const run: Run = async ([reference = "", ...words], flags, context) => {
  const { settings, out } = context;
  if (settings.noCache) {
    throw new RiffleError("usage", "there is no cache to fill", { hint: "leave --no-cache out" });
  }
  await using artifact = await openFor(context, reference, {
    include: flags.list("include"),
    exclude: flags.list("exclude"),
    unpack: unpackOf(flags),
  });
  for (const warning of artifact.warnings) context.log("warn", warningText(warning));
  const files = wantedFiles(artifact, words);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > settings.cacheBytes) {
    context.log(
      "warn",
      `the cache keeps ${formatBytes(settings.cacheBytes)}, less than the ${formatBytes(bytes)} asked for`,
    );
  }
  await fill(artifact, files, context);
  const fetchedBytes = artifact.stats().bytesFetchedByKind.blob;
  if (settings.json) {
    await out.line(JSON.stringify({ reference: artifact.reference, files: files.length, bytes, fetchedBytes }));
  } else {
    const moved = `${formatCount(files.length, "file")}, ${formatBytes(bytes)}, ${formatBytes(fetchedBytes)} fetched`;
    await out.line(`prefetched ${artifact.reference} (${moved})`);
  }
  return 0;
};
