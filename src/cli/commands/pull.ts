import { copyFileSync, constants, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Artifact } from "../../artifact/artifact.ts";
import { digestAlgorithm, type Digest } from "../../bytes/digest.ts";
import { makeFolders } from "../../cache/make-folders.ts";
import { RiffleError } from "../../errors.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { parseReference } from "../../oci/reference.ts";
import type { Context, Run } from "../command.ts";
import { documentsOf, layersOf, type ArtifactDocuments } from "../manifests.ts";
import { openFor } from "../open.ts";
import { createProgress } from "../progress.ts";
import { formatBytes, formatCount } from "../quantities.ts";
import { blobContent } from "../transfer/blob-content.ts";
import { eachAtOnce } from "../transfer/each.ts";
import { blobPathIn, nameInLayout, prepareLayout, writeManifest } from "../transfer/layout.ts";
import { dress, mustFetch, placeDirectory } from "../transfer/place.ts";
import { checkRoom } from "../transfer/room.ts";
import { partPath, saveContent } from "../transfer/save.ts";
import { warningText } from "../warnings.ts";

/** Small layers in parallel hide round trips; each may have four requests under way. */
const LAYERS_AT_ONCE = 4;

interface Place {
  readonly path: string;
  readonly mode: number;
  readonly mtime: number;
}

/** One blob and the names that it gets. */
interface Job {
  readonly descriptor: Descriptor;
  readonly places: readonly Place[];
}

interface Tally {
  layers: number;
  present: number;
  bytes: number;
  resumedBytes: number;
}

/** The layers under the names that a mount shows. */
function fileJobs(artifact: Artifact, documents: ArtifactDocuments, directory: string): readonly Job[] {
  const jobs = new Map<Digest, { descriptor: Descriptor; places: Place[] }>();
  const layers = layersOf(documents);
  for (const { type, digest, path, mode, mtime } of artifact.entries()) {
    const descriptor = type === "file" && digest !== undefined ? layers.get(digest as Digest) : undefined;
    if (descriptor === undefined) continue;
    const job = jobs.get(descriptor.digest) ?? { descriptor, places: [] };
    job.places.push({ path: join(directory, path), mode, mtime });
    jobs.set(descriptor.digest, job);
  }
  return [...jobs.values()];
}

function layoutJobs(documents: ArtifactDocuments, directory: string): readonly Job[] {
  const blobs = new Map(layersOf(documents));
  for (const { config } of documents.manifests) blobs.set(config.digest, config);
  return [...blobs.values()].map((descriptor) => ({
    descriptor,
    places: [{ path: blobPathIn(directory, descriptor.digest), mode: 0o644, mtime: Date.now() / 1000 }],
  }));
}

/** A second name of a layer that has its first one already. */
function copyPlace(from: string, to: string, digest: Digest): void {
  const part = partPath(to, digest);
  try {
    copyFileSync(from, part, constants.COPYFILE_FICLONE);
    renameSync(part, to);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

async function perform(
  artifact: Artifact,
  jobs: readonly Job[],
  options: { readonly force: boolean; readonly context: Context },
): Promise<Tally> {
  const { force, context } = options;
  const { notes, settings, signal } = context;
  const tally: Tally = { layers: 0, present: 0, bytes: 0, resumedBytes: 0 };
  const totalBytes = jobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const progress = createProgress({ notes, quiet: settings.quiet, totalBytes, what: "pulling" });
  const onBytes = (bytes: number, resumed: boolean): void => progress.add(bytes, resumed);
  const fetchJob = async ({ descriptor, places }: Job, stop: AbortSignal): Promise<void> => {
    const content = blobContent(artifact.registry, descriptor);
    const missing = places.filter(({ path, mtime }) => mustFetch(path, content, { force, mtime }));
    let source = places.find((place) => !missing.includes(place));
    if (source === undefined) tally.layers += 1;
    else tally.present += 1;
    for (const place of missing) {
      if (source === undefined) {
        const saved = await saveContent(content, place.path, { signal: stop, onBytes });
        tally.bytes += saved.fetchedBytes;
        tally.resumedBytes += saved.resumedBytes;
      } else copyPlace(source.path, place.path, descriptor.digest);
      dress(place.path, { ...place, directory: false });
      source = place;
    }
  };
  try {
    await eachAtOnce(jobs, fetchJob, { width: LAYERS_AT_ONCE, signal });
  } finally {
    progress.end();
  }
  return tally;
}

/** Every directory from `directory` down to those that get files; links in the way are not followed. */
function placeParents(jobs: readonly Job[], directory: string): void {
  const parents = new Set(jobs.flatMap(({ places }) => places.map(({ path }) => dirname(path))));
  const all = new Set<string>();
  for (const parent of parents) for (let at = parent; at !== directory; at = dirname(at)) all.add(at);
  placeDirectory(directory, { mayBeLink: true });
  for (const path of [...all].sort((a, b) => a.length - b.length)) placeDirectory(path, { mayBeLink: false });
}

async function pullLayout(
  artifact: Artifact,
  directory: string,
  options: { readonly tag: string | undefined; readonly force: boolean; readonly context: Context },
): Promise<Tally> {
  const documents = await documentsOf(artifact);
  const jobs = layoutJobs(documents, directory);
  const digests = [...jobs.map(({ descriptor }) => descriptor), documents.top.descriptor].map(({ digest }) => digest);
  const manifests = documents.manifests.map(({ descriptor }) => descriptor.digest);
  prepareLayout(directory, new Set([...digests, ...manifests].map(digestAlgorithm)));
  checkRoom(directory, neededBytes(jobs));
  const tally = await perform(artifact, jobs, options);
  for (const manifest of [...documents.manifests, documents.top]) writeManifest(directory, manifest);
  nameInLayout(directory, documents.top, options.tag);
  return tally;
}

function neededBytes(jobs: readonly Job[]): number {
  return jobs.reduce((sum, { descriptor, places }) => sum + descriptor.size * places.length, 0);
}

export const run: Run = async ([reference = ""], flags, context) => {
  const output = flags.text("output");
  if (output === undefined) throw new RiffleError("usage", "--output is missing", { hint: "riffle pull REF -o DIR" });
  const { tag } = parseReference(reference);
  const directory = resolve(context.cwd, output);
  const force = flags.on("force");
  // Past the cache: what is fetched goes to its place, once.
  await using artifact = await openFor(context, reference, { noCache: true });
  for (const warning of artifact.warnings) context.log("warn", warningText(warning));
  let tally: Tally;
  if (flags.on("layout")) tally = await pullLayout(artifact, directory, { tag, force, context });
  else {
    const jobs = fileJobs(artifact, await documentsOf(artifact), directory);
    makeFolders(directory);
    checkRoom(directory, neededBytes(jobs));
    placeParents(jobs, directory);
    tally = await perform(artifact, jobs, { force, context });
  }
  if (context.settings.json) {
    await context.out.line(JSON.stringify({ reference: artifact.reference, directory, ...tally }));
  } else {
    const kept = tally.present === 0 ? "" : `, ${tally.present} there already`;
    // A layout holds the config too.
    const counted = formatCount(tally.layers, flags.on("layout") ? "blob" : "layer");
    const moved = `${counted}${kept}, ${formatBytes(tally.bytes)} fetched`;
    await context.out.line(`pulled ${artifact.reference} to ${directory} (${moved})`);
  }
  return 0;
};
