import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactSpec } from "../test/support/artifacts.ts";
import { noiseStream } from "../test/support/content.ts";
import { makeOnce } from "../test/support/data.ts";
import type { Bench } from "./context.ts";

export const RAW_BYTES: number = 256 * 1024 * 1024;
export const RAW_SEED = 11;

/** 256 MiB of noise as a plain file on the disk that the cache lies on. */
export function plainRaw(bench: Bench): Promise<string> {
  return makeOnce(join(bench.folder, "raw.bin"), async (draft) => {
    const stream = noiseStream(RAW_SEED);
    const file = openSync(draft, "w");
    const step = 8 << 20;
    for (let start = 0; start < RAW_BYTES; start += step) writeSync(file, stream({ start, end: start + step }));
    closeSync(file);
  });
}

/** The same as an artifact, `raw.bin`. From the file: a server that makes bytes up as it sends them is a slow server. */
export async function rawArtifact(bench: Bench): Promise<ArtifactSpec> {
  return { files: [{ title: "raw.bin", content: { kind: "file", path: await plainRaw(bench) } }] };
}
