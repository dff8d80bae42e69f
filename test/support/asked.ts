import { createHome, riffle, type Home, type Outcome } from "./cli.ts";
import { putArtifact, type ArtifactFile } from "./artifacts.ts";
import { spawnRegistry } from "./registry/spawn.ts";
import type { RegistryHandle } from "./registry/server.ts";

/** What one command moved, as the registry saw it. */
export interface Moved {
  readonly blobRequests: number;
  readonly blobBytes: number;
}

export interface Asked extends Outcome {
  readonly moved: Moved;
}

/** An artifact in a registry of its own, and commands that are asked about it. */
export interface AskedArtifact extends AsyncDisposable {
  readonly registry: RegistryHandle;
  readonly reference: string;
  readonly home: Home;
  /** `riffle COMMAND REF words...` by a user whose cache is empty. */
  ask(command: string, words: readonly string[]): Promise<Asked>;
  close(): Promise<void>;
}

/** Needs a build. */
export async function askedArtifact(files: readonly ArtifactFile[]): Promise<AskedArtifact> {
  const registry = await spawnRegistry();
  const home = createHome();
  const { reference } = await putArtifact(registry, { repository: "e2e/formats", tag: "v1" }, { files });
  const close = async (): Promise<void> => {
    home.remove();
    await registry.close();
  };
  return {
    registry,
    reference,
    home,
    ask: async (command, words) => {
      await registry.reset();
      const outcome = await riffle([command, "--no-cache", reference, ...words], { home });
      const { blob } = (await registry.counters()).kinds;
      return { ...outcome, moved: { blobRequests: blob.requests, blobBytes: blob.bytes } };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
