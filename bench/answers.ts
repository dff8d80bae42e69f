import { join } from "node:path";
import type { ArtifactSpec } from "../test/support/artifacts.ts";
import type { Bench } from "./context.ts";
import { curl } from "./readers.ts";

/** What one cold answer cost. */
export interface Sample {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
}

/** An artifact of one file. */
export const fileSpec = (title: string, path: string): ArtifactSpec => ({
  files: [{ title, content: { kind: "file", path } }],
});

/** Mount to answer, from nothing; a wrong answer is an error. */
export async function coldAnswer(
  bench: Bench,
  reference: string,
  work: { readonly ask: (folder: string) => Promise<string>; readonly right: string },
): Promise<Sample> {
  await bench.registry.reset();
  const begun = performance.now();
  const mounted = await bench.mount(reference);
  const answer = await work.ask(mounted.path);
  const ms = performance.now() - begun;
  await mounted.unmount();
  if (answer !== work.right) throw new Error("the answer through the mount is wrong");
  const { requests, kinds } = await bench.registry.counters();
  return { ms, requests, bytes: kinds.blob.bytes };
}

/** One connection for the whole file, then the same question: what there was before. */
export async function pulledAnswer(
  bench: Bench,
  file: { readonly url: string; readonly title: string },
  work: { readonly ask: (folder: string) => Promise<string>; readonly right: string },
): Promise<number> {
  const folder = bench.freshFolder();
  const begun = performance.now();
  await curl(file.url, join(folder, file.title));
  if ((await work.ask(folder)) !== work.right) throw new Error("the answer over the pulled file is wrong");
  return performance.now() - begun;
}
