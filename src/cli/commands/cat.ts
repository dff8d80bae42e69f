import type { ArtifactFile } from "../../artifact/artifact-file.ts";
import type { Artifact } from "../../artifact/artifact.ts";
import { createHasher, digestAlgorithm, type Hasher } from "../../bytes/digest.ts";
import { isEmpty, rangeLength, type ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import type { Run } from "../command.ts";
import { documentsOf, layersOf } from "../manifests.ts";
import { openFor, unpackOf } from "../open.ts";
import { parseWantedRange, rangeWithin } from "../quantities.ts";
import { fileAt } from "../tree-path.ts";

/** For what is a whole layer: its bytes go out as they come, and their digest is known when the last one has gone. */
async function checkOf(artifact: Artifact, file: ArtifactFile, range: ByteRange): Promise<Hasher | undefined> {
  if (rangeLength(range) < file.size) return undefined;
  const layers = [...layersOf(await documentsOf(artifact)).values()];
  const layer = layers.find(({ digest, size }) => digest === file.digest && size === file.size);
  return layer === undefined ? undefined : createHasher(digestAlgorithm(layer.digest));
}

export const run: Run = async ([reference = "", ...paths], flags, context) => {
  const text = flags.text("range");
  const wanted = text === undefined ? undefined : parseWantedRange(text);
  await using artifact = await openFor(context, reference, { unpack: unpackOf(flags) });
  // All are looked up first: a wrong name is told before the first byte is written.
  const files = paths.map((path) => artifact.file(fileAt(artifact, path).path));
  for (const file of files) {
    const range = wanted === undefined ? { start: 0, end: file.size } : rangeWithin(wanted, file.size);
    if (isEmpty(range)) continue;
    const check = await checkOf(artifact, file, range);
    for await (const bytes of file.stream(range, { signal: context.signal })) {
      check?.update(bytes);
      await context.out.bytes(bytes);
    }
    if (check === undefined || check.digest() === file.digest) continue;
    throw new RiffleError("verification", `the bytes of ${file.path} do not have the digest ${file.digest}`, {
      hint: "do not use what was written; try another mirror or tell the publisher",
      facts: { path: file.path, digest: file.digest },
    });
  }
  return 0;
};
