import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../src/bytes/digest.ts";
import { open } from "../../../src/index.ts";
import { buildArtifact, buildIndex, type BuiltArtifact } from "../artifacts.ts";
import { noise } from "../content.ts";
import type { Offence, RegistryCounters } from "./options.ts";
import type { RegistryProfile } from "./profiles.ts";
import type { RegistryHandle } from "./server.ts";
import { spawnRegistry } from "./spawn.ts";

export const BIG_BYTES = 3 * 1024 * 1024 + 11;
const SEED = 77;
/** Slow enough that what is given up midway is not sent to its end. */
const LINK = { latencyMs: 5, ratePerConnection: 10e6 } as const;
export const bigBytes = (start: number, end: number): Uint8Array => noise(SEED, { start, end });

export interface ProfiledArtifact {
  readonly registry: RegistryHandle;
  readonly reference: string;
  readonly built: BuiltArtifact;
}

/** A registry of this kind that holds an artifact of two files, and one referrer, both ways that a client may ask for it. */
export async function startProfile(profile: RegistryProfile): Promise<ProfiledArtifact> {
  const registry = await spawnRegistry({ ...LINK, ...profile.options });
  const repository = "matrix/data";
  const built = await buildArtifact({
    files: [
      { title: "big.bin", content: { kind: "bytes", bytes: bigBytes(0, BIG_BYTES) } },
      { title: "small.txt", content: { kind: "bytes", bytes: new TextEncoder().encode("small\n") } },
    ],
  });
  const note = await buildArtifact({
    files: [],
    artifactType: "application/vnd.example.note",
    subject: built.descriptor,
  });
  const { mediaType } = built.descriptor;
  for (const [digest, content] of [...built.blobs, ...note.blobs]) await registry.addBlob(digest, content);
  await registry.addManifest(repository, { mediaType, bytes: built.manifest, tag: "v1" });
  await registry.addManifest(repository, { mediaType, bytes: note.manifest });
  const index = buildIndex([note.descriptor]);
  await registry.addManifest(repository, {
    mediaType: index.descriptor.mediaType,
    bytes: index.bytes,
    tag: built.descriptor.digest.replace(":", "-"),
  });
  return { registry, reference: `${registry.host}/${repository}:v1`, built };
}

export interface MatrixRow {
  readonly profile: RegistryProfile;
  /** Everything that was read had its right bytes. */
  readonly right: boolean;
  readonly referrers: number;
  /** Opening, a few parts, then all of a file of 3 MiB. */
  readonly cold: RegistryCounters;
  /** The same by another process's cache: opening, and the same reads again. */
  readonly warm: RegistryCounters;
  readonly offences: readonly Offence[];
}

async function readAll(
  { reference }: ProfiledArtifact,
  { credential }: RegistryProfile,
  cacheDir: string,
): Promise<{ readonly right: boolean; readonly referrers: number }> {
  const credentials = credential === undefined ? {} : { credentials: () => Promise.resolve(credential) };
  await using artifact = await open(reference, { cacheDir, timeoutMs: 10_000, plainHttp: true, ...credentials });
  const file = artifact.file("big.bin");
  const parts: readonly (readonly [number, number])[] = [
    [0, 65_536],
    [1_500_000, 1_600_000],
    [BIG_BYTES - 8, BIG_BYTES],
  ];
  const read = await Promise.all(parts.map(([start, end]) => file.read({ start, end })));
  const same = read.map((bytes, i) => Buffer.compare(bytes, bigBytes(...(parts[i] ?? [0, 0]))) === 0);
  const whole = digestOf(await file.bytes());
  const small = Buffer.from(await artifact.file("small.txt").bytes()).toString();
  const referrers = (await artifact.registry.referrers(artifact.manifest.descriptor.digest)).length;
  const right = whole === digestOf(bigBytes(0, BIG_BYTES)) && small === "small\n" && !same.includes(false);
  return { right, referrers };
}

/** What riffle does at one profile; what it was seen to do is deterministic but for the retries after a 429. */
export async function matrixRow(profile: RegistryProfile): Promise<MatrixRow> {
  const stored = await startProfile(profile);
  const cacheDir = mkdtempSync(join(tmpdir(), "riffle-matrix-"));
  try {
    const first = await readAll(stored, profile, cacheDir);
    const cold = await stored.registry.counters();
    await stored.registry.reset();
    const second = await readAll(stored, profile, cacheDir);
    const warm = await stored.registry.counters();
    return {
      profile,
      right: first.right && second.right,
      referrers: Math.min(first.referrers, second.referrers),
      cold,
      warm,
      offences: [...new Set([...cold.offences, ...warm.offences])],
    };
  } finally {
    await stored.registry.close();
    rmSync(cacheDir, { recursive: true, force: true });
  }
}
