import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Artifact } from "../../src/artifact/artifact.ts";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { resolvePath } from "../../src/layers/tree-paths.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { cacheFiles, flipBit } from "../support/faults/damage-cache.ts";
import type { Fault } from "../support/faults/fault.ts";
import { startFaultyRegistry, type FaultyRegistry } from "../support/faults/faulty-registry.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

/** For what a thread of its own finds out, on a loaded machine. */
const PATIENT = { timeout: 10_000 };

const SIZE = 1_000_003;
const bytes = noise(71, { start: 0, end: SIZE });
const other = noise(72, { start: 0, end: 300_000 });
const files = [
  { title: "a.bin", bytes },
  { title: "b.bin", bytes: other },
];
const FLIP: Fault = { kind: "flip" };
const flipTimes =
  (times: number) =>
  ({ title, before }: { readonly title: string; readonly before: number }): Fault | undefined =>
    title === "a.bin" && before < times ? FLIP : undefined;
const obstacle = mountObstacle();

let home: FaultHome;
let registry: FaultyRegistry;
beforeEach(async () => {
  home = faultHome();
  registry = await startFaultyRegistry({ files });
});
afterEach(async () => {
  await home.end();
  await registry[Symbol.asyncDispose]();
});

/** What a mount shows as `user.oci.verified`. */
function verified(artifact: Artifact, title = "a.bin"): string {
  const row = resolvePath(artifact.served.tree, title) ?? -1;
  return Buffer.from(artifact.served.liveXattr(row, "user.oci.verified") ?? []).toString();
}

/** What the kernel may do with an open of it. */
function grant(artifact: Artifact, title = "a.bin"): string {
  const row = resolvePath(artifact.served.tree, title) ?? -1;
  const { kind } = artifact.served.open(row, 77);
  artifact.served.release(row, 77);
  return kind;
}

const MISMATCH = /do not have that digest/g;
const alarms = (artifact: Artifact): number => artifact.errors().match(MISMATCH)?.length ?? 0;
const isRight = (found: Uint8Array): boolean => Buffer.compare(found, bytes) === 0;

/** With a cache on disk, which the kernel can be given a file of, and without. */
describe.each([true, false])("a blob, with a cache on disk: %s", (hasDisk) => {
  const open = (): Promise<Artifact> =>
    openArtifact(registry.reference, { timeoutMs: 5000, ...(hasDisk ? { cacheDir: home.place("store") } : {}) });

  test("is transport until all of it is held and hashed, then full; only then the kernel may keep it", async () => {
    await using artifact = await open();
    const file = artifact.file("a.bin");
    expect([verified(artifact), grant(artifact)]).toEqual(["transport", "direct"]);
    await file.read({ start: 0, end: SIZE - 4096 });
    expect([verified(artifact), grant(artifact), artifact.stats().bytesVerified]).toEqual(["transport", "direct", 0]);
    await file.read({ start: SIZE - 4096, end: SIZE });
    await expect.poll(() => verified(artifact), PATIENT).toBe("full");
    // nothing that was given before the proof is counted as proven
    expect([artifact.stats().bytesVerified, grant(artifact)]).toEqual([0, hasDisk ? "backed" : "keep"]);
    expect(isRight(await file.bytes())).toBe(true);
    expect(artifact.stats().bytesVerified).toBe(SIZE);
    // the other file is another blob
    expect([verified(artifact, "b.bin"), grant(artifact, "b.bin")]).toEqual(["transport", "direct"]);
  });

  test("that came with a bit flipped is thrown away with an error, fetched once more, and then right", async () => {
    registry.setFault(flipTimes(1));
    await using artifact = await open();
    await artifact.file("a.bin").bytes();
    await expect.poll(() => alarms(artifact), PATIENT).toBe(1);
    expect([verified(artifact), grant(artifact), artifact.stats().errors]).toEqual(["transport", "direct", 1]);
    registry.forget();
    registry.setFault(undefined);
    expect(isRight(await artifact.file("a.bin").bytes())).toBe(true);
    expect(registry.count("a.bin")).toBe(1);
    await expect.poll(() => verified(artifact), PATIENT).toBe("full");
    expect(artifact.stats().bytesVerified).toBe(0);
    expect(isRight(await artifact.file("a.bin").bytes())).toBe(true);
    expect([artifact.stats().bytesVerified, registry.count("a.bin"), alarms(artifact)]).toEqual([SIZE, 1, 1]);
  });

  test("that comes wrong twice is refused without a request, and never kept by the kernel", async () => {
    registry.setFault(flipTimes(Infinity));
    await using artifact = await open();
    for (const times of [1, 2]) {
      await artifact.file("a.bin").bytes();
      await expect.poll(() => alarms(artifact), PATIENT).toBeGreaterThanOrEqual(times);
    }
    const before = registry.count("a.bin");
    await expect(artifact.file("a.bin").bytes()).rejects.toMatchObject({ code: "verification" });
    expect(registry.count("a.bin")).toBe(before);
    expect([verified(artifact), grant(artifact), artifact.stats().bytesVerified]).toEqual(["transport", "direct", 0]);
    expect(Buffer.compare(await artifact.file("b.bin").bytes(), other)).toBe(0);
  });
});

test("a proven blob whose file is cut under an open artifact: right bytes, and what was fetched again is not called proven", async () => {
  const cacheDir = home.place("store");
  await using artifact = await openArtifact(registry.reference, { cacheDir });
  await artifact.file("a.bin").bytes();
  await expect.poll(() => verified(artifact), PATIENT).toBe("full");
  for (const path of cacheFiles(cacheDir, "data")) truncateSync(path, 100_000);
  expect(isRight(await artifact.file("a.bin").bytes())).toBe(true);
  expect(artifact.stats().bytesVerified).toBe(0);
  await expect.poll(() => verified(artifact), PATIENT).toBe("full");
});

describe("riffle cache verify", () => {
  const verify = async (): Promise<readonly [number | null, readonly { readonly verdict: string }[]]> => {
    const { code, stdout } = await home.riffle(["cache", "verify", "--json"]);
    const lines = stdout.split("\n").filter((line) => line !== "");
    // what riffle cache verify --json prints
    return [code, lines.map((line) => JSON.parse(line) as { readonly verdict: string })];
  };
  const cacheDir = (): string => join(home.path, "cache/riffle");
  const fill = async (): Promise<void> => {
    expect(await home.riffle(["prefetch", registry.reference, "-q"])).toMatchObject({ code: 0 });
  };

  test("proves everything on disk, and finds the one bit that was flipped, also under what was proven", async () => {
    await fill();
    expect(await verify()).toEqual([
      0,
      [expect.objectContaining({ verdict: "proven" }), expect.objectContaining({ verdict: "proven" })],
    ]);
    const data = cacheFiles(cacheDir(), "data").find((path) => readFileSync(path).length === SIZE) ?? "";
    flipBit(data, 500_000);
    const [code, verdicts] = await verify();
    expect([code, verdicts.map(({ verdict }) => verdict).sort()]).toEqual([6, ["proven", "removed"]]);
    // what is left is right, and the rest is fetched again
    expect((await verify())[0]).toBe(0);
    const read = await home.riffle(["cat", registry.reference, "a.bin"]);
    expect([read.code, sha256(read.stdoutBytes)]).toEqual([0, sha256(bytes)]);
  });

  test("finds wrong bytes that have the checksums of their records", async () => {
    registry.setFault(flipTimes(1));
    await home.riffle(["cat", registry.reference, "a.bin", "--range", "0-500000"]);
    // a part has no digest of its own
    expect(await verify()).toEqual([0, [expect.objectContaining({ verdict: "consistent" })]]);
    await home.riffle(["cat", registry.reference, "a.bin", "--range", "500000-1000003"]);
    // the process that fetched the rest may have been quick enough to find out
    const [code, verdicts] = await verify();
    expect([code, verdicts.map(({ verdict }) => verdict)]).toEqual(code === 0 ? [0, []] : [6, ["removed"]]);
    const read = await home.riffle(["cat", registry.reference, "a.bin"]);
    expect([read.code, sha256(read.stdoutBytes)]).toEqual([0, sha256(bytes)]);
  });

  test("finds a file that was cut", async () => {
    await fill();
    for (const path of cacheFiles(cacheDir(), "data")) truncateSync(path, 5000);
    const [code, verdicts] = await verify();
    expect([code, verdicts.map(({ verdict }) => verdict)]).toEqual([6, ["removed", "removed"]]);
  });
});

describe.each([
  ["cp", (): string[] => ["cp", registry.reference, "a.bin", "out/"]],
  ["pull", (): string[] => ["pull", registry.reference, "-o", "out"]],
] as const)("%s", (_command, words) => {
  /** But for the other file, and what was interrupted of it. */
  const out = (): readonly string[] =>
    readdirSync(join(home.path, "out")).filter((name) => !name.startsWith("b.") && !name.endsWith(".part"));

  test("of a blob that comes wrong once: the right file", async () => {
    registry.setFault(flipTimes(1));
    expect((await home.riffle([...words(), "--no-cache", "-q"])).code).toBe(0);
    expect(isRight(readFileSync(join(home.path, "out/a.bin")))).toBe(true);
    expect(out()).toEqual(["a.bin"]);
  });

  test("of a blob that is always wrong: 6, no file of that name, and an older one stays as it was", async () => {
    registry.setFault(flipTimes(Infinity));
    expect((await home.riffle([...words(), "-q"])).code).toBe(6);
    expect(out()).toEqual([]);
    const older = join(home.place("out"), "a.bin");
    writeFileSync(older, "older");
    expect((await home.riffle([...words(), "-q"])).code).not.toBe(0);
    expect(readFileSync(older, "utf8")).toBe("older");
  });

  test("from a cache in which a bit was flipped: the right file", async () => {
    expect((await home.riffle(["prefetch", registry.reference, "-q"])).code).toBe(0);
    for (const path of cacheFiles(join(home.path, "cache/riffle"), "data")) flipBit(path, 1234);
    expect((await home.riffle([...words(), "-q"])).code).toBe(0);
    expect(isRight(readFileSync(join(home.path, "out/a.bin")))).toBe(true);
    expect(out()).toEqual(["a.bin"]);
  });
});

test.skipIf(obstacle !== undefined)(
  `a mount never lets the kernel keep a wrong blob${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  async () => {
    registry.setFault(flipTimes(1));
    const place = home.place("mnt");
    expect(await home.riffle(["mount", registry.reference, place])).toMatchObject({ code: 0 });
    const shown = async (): Promise<string> =>
      (
        await home.sh(
          `getfattr --only-values -n user.oci.verified ${place}/a.bin 2>/dev/null || python3 -c 'import os,sys; sys.stdout.write(os.getxattr("${place}/a.bin","user.oci.verified").decode())'`,
        )
      ).stdout.toString();
    const errors = async (): Promise<string> => (await home.sh(`cat ${place}/.oci/errors`)).stdout.toString();
    expect(await shown()).toBe("transport");
    await home.sh(`cat ${place}/a.bin > /dev/null`);
    await expect.poll(errors, { timeout: 10_000 }).toMatch(MISMATCH);
    expect(await shown()).toBe("transport");
    const sum = async (): Promise<string> =>
      (await home.sh(`sha256sum < ${place}/a.bin`)).stdout.toString().slice(0, 64);
    expect(await sum()).toBe(sha256(bytes).slice(7));
    await expect.poll(shown, { timeout: 10_000 }).toBe("full");
    expect(await sum()).toBe(sha256(bytes).slice(7));
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
  },
);
