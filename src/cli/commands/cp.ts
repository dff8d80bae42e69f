import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Artifact, Entry } from "../../artifact/artifact.ts";
import { RiffleError } from "../../errors.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Context, Run } from "../command.ts";
import { documentsOf, layersOf } from "../manifests.ts";
import { openFor, unpackOf } from "../open.ts";
import { createProgress } from "../progress.ts";
import { formatBytes } from "../quantities.ts";
import { blobContent } from "../transfer/blob-content.ts";
import { planCopy, type CopyPlan, type CopyStep, type Destination } from "../transfer/copy-plan.ts";
import { eachAtOnce } from "../transfer/each.ts";
import { dress, mustFetch, placeDirectory, placeLink } from "../transfer/place.ts";
import { checkRoom } from "../transfer/room.ts";
import { saveContent, type Content } from "../transfer/save.ts";
import { entryAt, isBelow } from "../tree-path.ts";

/** Small files in parallel hide round trips; each may have four requests under way. */
const FILES_AT_ONCE = 4;

function destinationOf(text: string, cwd: string): Destination {
  const path = resolve(cwd, text);
  const slash = text.endsWith("/");
  try {
    return { path, slash, kind: statSync(path).isDirectory() ? "directory" : "other" };
  } catch {
    return { path, slash, kind: "absent" };
  }
}

/** The bytes of one file of the tree. A file that is a whole layer has the layer's digest; others are proven by their reads. */
function contentOf(artifact: Artifact, entry: Entry, layers: ReadonlyMap<string, Descriptor>): Content {
  const file = artifact.file(entry.path);
  const layer = layers.get(file.digest);
  const isWhole = layer?.size === file.size;
  return {
    id: `${artifact.digest}/${file.id}`,
    size: file.size,
    digest: isWhole ? layer.digest : undefined,
    fetch: async (range, sink, signal) =>
      sink(range.start, await file.read(range, signal === undefined ? {} : { signal })),
    ...(isWhole && { fetchAnew: blobContent(artifact.registry, layer).fetch }),
  };
}

function planOf(artifact: Artifact, paths: readonly string[], destination: Destination): CopyPlan {
  const sources = paths.map((path) => {
    const entry = entryAt(artifact, path);
    const all = entry.type === "directory" ? [...artifact.entries(entry.path)] : [];
    return { entry, below: all.filter((member) => isBelow(member.path, entry.path) !== "no") };
  });
  return planCopy(sources, destination);
}

interface PerformOptions {
  /** The destination as it was named: the one place where a symbolic link is followed. */
  readonly root: string;
  readonly force: boolean;
  readonly context: Context;
}

interface Tally {
  files: number;
  present: number;
  bytes: number;
  resumedBytes: number;
  verified: number;
}

async function perform(artifact: Artifact, plan: CopyPlan, options: PerformOptions): Promise<Tally> {
  const { root, force, context } = options;
  const tally: Tally = { files: 0, present: 0, bytes: 0, resumedBytes: 0, verified: 0 };
  const { notes, settings, signal } = context;
  const layers = layersOf(await documentsOf(artifact));
  const progress = createProgress({ notes, quiet: settings.quiet, totalBytes: plan.bytes, what: "copying" });
  const copy = async ({ entry, target }: CopyStep, stop: AbortSignal): Promise<void> => {
    const content = contentOf(artifact, entry, layers);
    if (mustFetch(target, content, { force, mtime: entry.mtime })) {
      const onBytes = (bytes: number, resumed: boolean): void => progress.add(bytes, resumed);
      const saved = await saveContent(content, target, { signal: stop, onBytes });
      dress(target, { ...entry, directory: false });
      tally.files += 1;
      tally.bytes += saved.fetchedBytes;
      tally.resumedBytes += saved.resumedBytes;
      tally.verified += saved.verified ? 1 : 0;
    } else tally.present += 1;
  };
  try {
    for (const { target } of plan.directories) placeDirectory(target, { mayBeLink: target === root });
    await eachAtOnce(plan.files, copy, { width: FILES_AT_ONCE, signal });
    // Links last: nothing is ever written through one of them. Directories get their times when all is in them.
    for (const { entry, target } of plan.links) placeLink(target, entry.target ?? "", entry.mtime);
    for (const { entry, target } of plan.directories.toReversed())
      if (entry.path !== "") dress(target, { ...entry, directory: true });
  } finally {
    progress.end();
  }
  return tally;
}

export const run: Run = async ([reference = "", ...words], flags, context) => {
  const destinationText = words.at(-1) ?? "";
  const paths = words.slice(0, -1);
  if (paths.length === 0) {
    throw new RiffleError("usage", "a destination is missing", { hint: "riffle cp REF PATH... DEST" });
  }
  const destination = destinationOf(destinationText, context.cwd);
  await using artifact = await openFor(context, reference, {
    include: flags.list("include"),
    exclude: flags.list("exclude"),
    unpack: unpackOf(flags),
  });
  const plan = planOf(artifact, paths, destination);
  const parent = destination.kind === "absent" && plan.directories.length === 0 ? dirname(destination.path) : undefined;
  if (destination.slash && destination.kind === "absent") placeDirectory(destination.path, { mayBeLink: true });
  else if (parent !== undefined && !destination.slash) checkParent(parent);
  checkRoom(nearest(destination.path), plan.bytes);
  const tally = await perform(artifact, plan, { root: destination.path, force: flags.on("force"), context });
  if (context.settings.json) {
    await context.out.line(JSON.stringify({ reference: artifact.reference, ...tally }));
  } else {
    const kept = tally.present === 0 ? "" : `, ${tally.present} there already`;
    const verified = tally.files === 0 ? "" : `, ${tally.verified} verified`;
    context.log("info", `copied ${tally.files} files${verified}${kept}, ${formatBytes(tally.bytes)} fetched`);
  }
  return 0;
};

function checkParent(parent: string): void {
  try {
    if (statSync(parent).isDirectory()) return;
  } catch {
    // Told below: a missing directory is not made by a copy under a new name.
  }
  throw new RiffleError("not-found", `there is no directory ${parent}`, { hint: "make it, or add a slash to DEST" });
}

/** The nearest directory above that is there. */
function nearest(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    try {
      if (statSync(at).isDirectory()) return at;
    } catch {
      if (at === "/") return at;
    }
  }
}
