import type { ArtifactFile } from "../../artifact/artifact.ts";
import { isEmpty, splitRange, type ByteRange } from "../../bytes/range.ts";
import type { Context, Run } from "../command.ts";
import { openFor } from "../open.ts";
import { parseWantedRange, rangeWithin } from "../quantities.ts";
import { fileAt } from "../tree-path.ts";

/** Written while the next one is fetched: two of them are in memory. */
const PIECE_BYTES = 4 * 1024 * 1024;

async function writeRange(file: ArtifactFile, range: ByteRange, { out, signal }: Context): Promise<void> {
  const pieces = splitRange(range, PIECE_BYTES);
  const read = (at: number): Promise<Uint8Array | Error> | undefined => {
    const piece = pieces[at];
    if (piece === undefined) return undefined;
    // Settles to the error: it is thrown when its turn comes, not when nobody looks.
    return file
      .read(piece, { signal })
      .catch((error: unknown) => (error instanceof Error ? error : Error(String(error))));
  };
  let coming = read(0);
  for (let at = 1; coming !== undefined; at += 1) {
    const bytes = await coming;
    if (bytes instanceof Error) throw bytes;
    coming = read(at);
    await out.bytes(bytes);
  }
}

export const run: Run = async ([reference = "", ...paths], flags, context) => {
  const text = flags.text("range");
  const wanted = text === undefined ? undefined : parseWantedRange(text);
  await using artifact = await openFor(context, reference);
  // All are looked up first: a wrong name is told before the first byte is written.
  const files = paths.map((path) => artifact.file(fileAt(artifact, path).path));
  for (const file of files) {
    const range = wanted === undefined ? { start: 0, end: file.size } : rangeWithin(wanted, file.size);
    if (isEmpty(range)) continue;
    if (range.start > 0 || range.end < file.size) await writeRange(file, range, context);
    else for await (const bytes of file.stream({ signal: context.signal })) await context.out.bytes(bytes);
  }
  return 0;
};
