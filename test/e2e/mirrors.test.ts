import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { open, type Mirror, type OpenedArtifact, type OpenOptions } from "../../src/index.ts";
import { buildArtifact, seedArtifact, type BuiltArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { mountObstacle } from "../support/processes.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";

const MIB = 1024 * 1024;
const bytes = noise(71, { start: 0, end: 3 * MIB });
const PLACE = { repository: "e2e/mirrored", tag: "v1" };

let upstream: RegistryHandle;
let mirror: RegistryHandle;
let second: RegistryHandle;
let artifact: BuiltArtifact;
let reference: string;

beforeEach(async () => {
  [upstream, mirror, second] = await Promise.all([startRegistry(), startRegistry(), startRegistry()]);
  artifact = await buildArtifact({ files: [{ title: "a.bin", content: { kind: "bytes", bytes } }] });
  reference = await seedArtifact(upstream, PLACE, artifact);
});
afterEach(async () => {
  await Promise.all([upstream.close(), mirror.close(), second.close()]);
});

const openWith = (mirrors: readonly Mirror[], options: OpenOptions = {}): Promise<OpenedArtifact> =>
  open(reference, { mirrors: { [upstream.host]: mirrors }, timeoutMs: 20_000, ...options });
const of = (...registries: readonly RegistryHandle[]): readonly Mirror[] =>
  registries.map(({ url }) => ({ host: url }));
const requests = async (registry: RegistryHandle): Promise<number> => (await registry.counters()).requests;
const readAll = async (opened: OpenedArtifact): Promise<boolean> =>
  Buffer.compare(await opened.file("a.bin").bytes(), bytes) === 0;

describe("a mirror", () => {
  test("is asked first, told which registry is meant, and the artifact keeps its name", async () => {
    await seedArtifact(mirror, PLACE, artifact);
    await using opened = await openWith(of(mirror));
    expect(await readAll(opened)).toBe(true);
    expect(opened.reference).toBe(`${upstream.host}/e2e/mirrored@${artifact.descriptor.digest}`);
    const records = await mirror.records();
    expect(records.map(({ kind }) => kind)).toEqual(["manifest", ...records.slice(1).map(() => "blob")]);
    expect(new Set(records.map(({ ns }) => ns))).toEqual(new Set([upstream.host]));
    expect(await requests(upstream)).toBe(0);
    expect(opened.mirrors()).toEqual([{ host: mirror.url, state: "answered" }]);
  });

  test("serves alone while the registry is gone; without resolve it does not say what a tag is", async () => {
    await seedArtifact(mirror, PLACE, artifact);
    await using one = await openWith([{ host: mirror.host, capabilities: ["pull"], ns: false }]);
    expect((await upstream.records()).map(({ kind }) => kind)).toEqual(["manifest"]);
    expect(await readAll(one)).toBe(true);
    expect((await upstream.counters()).kinds.blob.requests).toBe(0);
    expect((await mirror.records()).every(({ ns }) => ns === undefined)).toBe(true);
    await upstream.close();
    await using two = await openWith(of(mirror));
    expect(await readAll(two)).toBe(true);
  });

  test("below a path has the path before the repository's name", async () => {
    await seedArtifact(mirror, { ...PLACE, repository: `proxy/hub/${PLACE.repository}` }, artifact);
    await using opened = await openWith([{ host: `${mirror.url}/proxy/hub` }]);
    expect(await readAll(opened)).toBe(true);
    expect(await requests(upstream)).toBe(0);
  });
});

describe("the next is asked", () => {
  test("where a mirror does not have it, once for each thing", async () => {
    await using opened = await openWith(of(mirror, second));
    await opened.file("a.bin").bytes({ start: 0, end: 10 });
    expect(await readAll(opened)).toBe(true);
    // The tag, the manifest that it turned out to be, and the blob.
    expect([await requests(mirror), await requests(second)]).toEqual([3, 3]);
    expect((await mirror.counters()).statuses).toEqual({ 404: 3 });
    expect(opened.mirrors().map(({ state }) => state)).toEqual(["failed", "failed"]);
  });

  test("where a mirror refuses or cannot be reached, and it is then left alone for a while", async () => {
    await mirror.configure({ quirks: { mostAtOnce: 0 } });
    await second.close();
    const logged: string[] = [];
    await using opened = await openWith(of(mirror, second), {
      log: (level, message) => void (level === "warn" && logged.push(message)),
    });
    expect(await readAll(opened)).toBe(true);
    // Two tries for the tag, and none for the blob.
    expect(await requests(mirror)).toBe(2);
    expect(opened.mirrors().map(({ state }) => state)).toEqual(["failed", "failed"]);
    expect(logged).toEqual([expect.stringContaining("429"), expect.stringContaining("refused the connection")]);
  });

  test("from the byte where a mirror broke off", async () => {
    await seedArtifact(mirror, PLACE, artifact);
    await mirror.configure({ ratePerConnection: MIB });
    await using opened = await openWith(of(mirror), { frugal: true });
    const reading = readAll(opened);
    await expect.poll(async () => (await mirror.counters()).kinds.blob.bytes, { interval: 5 }).toBeGreaterThan(300_000);
    await mirror.close();
    expect(await reading).toBe(true);
    const { bytes: rest } = (await upstream.counters()).kinds.blob;
    expect(rest).toBeGreaterThan(0);
    expect(rest).toBeLessThan(bytes.length - 200_000);
  });

  test("when a mirror gives wrong bytes: they are thrown away, and it is asked no more", async () => {
    const wrong = bytes.slice();
    wrong[1_000_000] = (wrong[1_000_000] ?? 0) ^ 1;
    for (const liar of [mirror, second]) {
      await seedArtifact(liar, PLACE, artifact);
      await liar.addBlob(artifact.layers[0]?.digest ?? "", { kind: "bytes", bytes: wrong });
    }
    await using opened = await openWith(of(mirror, second));
    const file = opened.file("a.bin");
    const states = (): readonly string[] => opened.mirrors().map(({ state }) => state);
    await file.bytes();
    await expect.poll(() => states()[0], { interval: 5 }).toBe("left");
    await file.bytes();
    await expect.poll(states, { interval: 5 }).toEqual(["left", "left"]);
    // Two liars later the registry itself is heard.
    expect(await readAll(opened)).toBe(true);
    expect([await requests(upstream), opened.stats().errors]).toEqual([
      (await upstream.counters()).kinds.blob.requests,
      2,
    ]);
    await expect.poll(async () => (await readAll(opened)) && opened.stats().bytesVerified > 0).toBe(true);
  });
});

test("credentials stay with the host that they are for", async () => {
  await upstream.configure({ auth: { kind: "basic", username: "up", password: "upstream-word" } });
  await mirror.configure({ auth: { kind: "bearer", username: "mi", password: "mirror-word" } });
  await second.configure({ auth: { kind: "basic", username: "x", password: "y" } });
  await seedArtifact(mirror, PLACE, artifact);
  const credentials = { username: "up", password: "upstream-word" };
  const own = { username: "mi", password: "mirror-word" };
  await using one = await openWith(
    [
      { host: second.url, credentials: async () => undefined },
      { host: mirror.url, credentials: own },
    ],
    {
      credentials,
    },
  );
  expect(await readAll(one)).toBe(true);
  await mirror.close();
  await using two = await openWith(of(second), { credentials });
  expect(await readAll(two)).toBe(true);
  const basic = (name: string, word: string): string => `Basic ${Buffer.from(`${name}:${word}`).toString("base64")}`;
  const seen = async (registry: RegistryHandle): Promise<readonly string[]> => [
    ...new Set((await registry.records()).flatMap(({ authorization }) => authorization ?? [])),
  ];
  expect(await seen(second)).toEqual([]);
  expect(await seen(upstream)).toEqual([basic("up", "upstream-word")]);
  for (const header of await seen(mirror))
    expect([basic("mi", "mirror-word"), "Bearer"]).toContain(header.replace(/^Bearer .*/, "Bearer"));
});

describe("the configuration file", () => {
  let home: FaultHome;
  beforeEach(() => {
    home = faultHome();
  });
  afterEach(() => home.end());

  const configure = (document: unknown): void => {
    mkdirSync(join(home.path, "config/riffle"), { recursive: true });
    writeFileSync(join(home.path, "config/riffle/config.json"), JSON.stringify(document));
  };

  test("names mirrors for all commands; doctor and inspect say which answered", async () => {
    await seedArtifact(mirror, PLACE, artifact);
    await second.close();
    configure({ mirrors: { [upstream.host]: [{ host: second.url }, { host: mirror.url, ns: true }] } });
    const cat = await home.riffle(["cat", reference, "a.bin"]);
    expect([cat.code, cat.stdoutBytes.equals(bytes)]).toEqual([0, true]);
    expect(await requests(upstream)).toBe(0);
    const doctor = await home.riffle(["doctor", reference, "--json"]);
    const { checks } = JSON.parse(doctor.stdout) as { checks: { name: string; status: string; message: string }[] };
    expect(checks.filter(({ name }) => name === "mirror").map(({ status }) => status)).toEqual(["warn", "ok"]);
    const inspect = await home.riffle(["inspect", reference, "--json", "--quiet"]);
    expect((JSON.parse(inspect.stdout) as { mirrors: unknown }).mirrors).toEqual([
      { host: second.url, state: "failed", message: expect.stringContaining("refused") as unknown },
      { host: mirror.url, state: "answered" },
    ]);
  });

  const obstacle = mountObstacle();
  test.skipIf(obstacle !== undefined)(
    `a mount is named after the registry, not the mirror${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
    async () => {
      await seedArtifact(mirror, PLACE, artifact);
      configure({ mirrors: { [upstream.host]: [{ host: mirror.url }] } });
      const place = home.place("mnt");
      expect(await home.riffle(["mount", reference, place])).toMatchObject({ code: 0 });
      const seen = await home.sh(`grep ' ${place} ' /proc/mounts; sha256sum < ${place}/a.bin`);
      expect(seen.stdout.toString()).toContain(`${upstream.host}/e2e/mirrored@sha256:`);
      expect(seen.stdout.toString()).toContain(artifact.layers[0]?.digest.slice("sha256:".length));
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
      expect(await requests(upstream)).toBe(0);
    },
  );

  test.each([
    [{ mirrors: [] }, "an object of lists by registry"],
    [{ mirrors: { "not a host": [] } }, "is not the host of a registry"],
    [{ mirrors: { "docker.io": {} } }, "docker.io: a list of mirrors"],
    [{ mirrors: { "docker.io": [{}] } }, 'docker.io[0]: "host" is no address'],
    [{ mirrors: { "docker.io": [{ host: "http://u:p@h" }] } }, 'docker.io[0]: "host" is no address'],
    [{ mirrors: { "docker.io": [{ host: "h", token: "x" }] } }, 'docker.io[0]: unknown key "token"'],
    [{ mirrors: { "docker.io": [{ host: "h", ns: "yes" }] } }, 'docker.io[0]: "ns"'],
    [{ mirrors: { "docker.io": [{ host: "h", capabilities: ["push"] }] } }, 'docker.io[0]: "capabilities"'],
  ])("%j is refused by name", async (document, says) => {
    configure(document);
    const { code, stderr } = await home.riffle(["cache", "status"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)]);
  });
});
