import type { Artifact } from "../../artifact/artifact.ts";
import { RiffleError } from "../../errors.ts";
import type { Description } from "../../formats/describe.ts";
import { isFileSet } from "../../formats/open.ts";
import type { Context, Run } from "../command.ts";
import { oneLine } from "../exit.ts";
import { factsText, labelled, type FactsStyle } from "../facts-text.ts";
import { openFor, unpackOf } from "../open.ts";
import { mayColour } from "../paint.ts";
import { formatBytes, formatCount } from "../quantities.ts";
import { entryAt } from "../tree-path.ts";

/** Longer cells of tables are cut on a terminal; a pipe gets all. */
const TERMINAL_CELL_LETTERS = 60;

/** What `info` tells of a path; with `--json` just this. */
interface PathFacts {
  readonly path: string;
  readonly type: "file" | "directory";
  readonly size: number;
  /** Of the layer that holds the file, null for a directory. */
  readonly digest: string | null;
  /** Of the layer, where the file is all of it. */
  readonly mediaType: string | null;
  /** Files below a directory. */
  readonly files?: number;
}

async function describePath(
  artifact: Artifact,
  asked: string,
  context: Context,
): Promise<{ readonly facts: PathFacts; readonly description: Description }> {
  const { describeDirectory, describeFile } = await import("../../formats/describe.ts");
  const entry = entryAt(artifact, asked);
  const { path, digest = null } = entry;
  const { target, options } = artifact.formatFile(path, { signal: context.signal });
  if (!isFileSet(target)) {
    const facts = {
      path,
      type: "file",
      size: target.size,
      digest,
      mediaType: options.hint?.mediaType ?? null,
    } as const;
    return { facts, description: await describeFile(target, options.hint, options) };
  }
  const description = await describeDirectory(target, options);
  if (description === undefined) {
    throw new RiffleError("usage", `"${path === "" ? "/" : path}" is a directory, and no Zarr store`, {
      hint: "name a file in it; riffle ls shows what there is",
      facts: { path },
    });
  }
  const size = target.paths.reduce((sum, name) => sum + (target.file(name)?.size ?? 0), 0);
  const facts = { path, type: "directory", size, digest: null, mediaType: null } as const;
  return { facts: { ...facts, files: target.paths.length }, description };
}

function text(facts: PathFacts, description: Description, style: FactsStyle): readonly string[] {
  const bytes =
    facts.size < 1024 ? formatCount(facts.size, "byte") : `${formatBytes(facts.size)} (${facts.size} bytes)`;
  const head: (readonly [string, string | null])[] = [
    ["path", oneLine(facts.path === "" ? "/" : facts.path)],
    ["size", facts.files === undefined ? bytes : `${bytes} in ${formatCount(facts.files, "file")}`],
    ["digest", facts.digest],
    ["media type", facts.mediaType === null ? null : oneLine(facts.mediaType)],
    ["format", description.format === undefined ? "not recognised" : oneLine(description.title)],
  ];
  const known = head.flatMap(([label, value]) => (value === null ? [] : [[label, value] as const]));
  const body = description.format === undefined ? [] : factsText(description.facts, style);
  return [
    ...labelled(known, style),
    ...(body.length === 0 ? [] : body[0] === "" ? body : ["", ...body]),
    ...(description.notes.length === 0 ? [] : ["", ...description.notes.map((note) => `note: ${oneLine(note)}`)]),
  ];
}

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  await using artifact = await openFor(context, reference, { unpack: unpackOf(flags) });
  const { facts, description } = await describePath(artifact, path, context);
  if (context.settings.json) {
    const { format, notes } = description;
    const rest =
      format === undefined ? { title: null, facts: {} } : { title: description.title, facts: description.facts };
    await context.out.line(JSON.stringify({ ...facts, format: format ?? null, ...rest, notes }));
    return 0;
  }
  const { isTerminal } = context.out;
  const style = {
    colour: mayColour(isTerminal, context.environment),
    cellLimit: isTerminal ? TERMINAL_CELL_LETTERS : undefined,
  };
  for (const line of text(facts, description, style)) await context.out.line(line);
  return 0;
};
