import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import {
  buildArtifact,
  buildIndex,
  INDEX_TYPE,
  putArtifact,
  seedArtifact,
  type ArtifactFile,
  type BuiltArtifact,
} from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { hasProgram, mountObstacle } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const obstacle = mountObstacle();

/** A mount is never read by this process. */
const sh = (script: string): string => {
  const { stdout, stderr } = spawnSync("sh", ["-c", script], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  return stdout + stderr;
};

const text = (content: string, title: string, more: Partial<ArtifactFile> = {}): ArtifactFile => ({
  title,
  content: { kind: "bytes", bytes: Buffer.from(content) },
  ...more,
});

/** INTERFACE section 3, rule 1, by what becomes of a title; undefined is left out. */
const TITLES: readonly (readonly [title: string, name: string | undefined])[] = [
  ["../../etc/passwd", "etc/passwd"],
  ["/abs", "abs"],
  ["a/../b", "b"],
  ["./c", "c"],
  ["dup.txt", "dup.txt"],
  ["dup.txt", "dup~2.txt"],
  ["dup.txt", "dup~3.txt"],
  ["two.tar.gz", "two.tar.gz"],
  ["two.tar.gz", "two.tar~2.gz"],
  ["clash", "clash~file"],
  ["clash/inner", "clash/inner"],
  [".oci", ".oci~file"],
  ["x".repeat(300), undefined],
  ["x".repeat(255), "x".repeat(255)],
  ["back\\slash", undefined],
  ["control\u0001", undefined],
  ["line\nfeed", undefined],
  ["nul\u0000", undefined],
];

describe.skipIf(obstacle !== undefined)(
  `the mounted tree${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let registry: RegistryHandle;
    let home: Home;
    let dir: string;
    let scenes: BuiltArtifact & { readonly reference: string };

    const run = (words: readonly string[]): Promise<Outcome> => riffle(words, { home });
    const mount = async (reference: string, ...flags: readonly string[]): Promise<Outcome> => {
      const outcome = await run(["mount", reference, dir, ...flags]);
      expect([outcome.code, outcome.stderr]).toEqual([0, expect.any(String)]);
      return outcome;
    };

    beforeAll(async () => {
      registry = await spawnRegistry();
      scenes = await putArtifact(
        registry,
        { repository: "e2e/scenes", tag: "v1" },
        {
          annotations: { "org.opencontainers.image.created": "2026-01-02T03:04:05Z", purpose: "test" },
          files: [
            text("hello\n", "hello.txt", {
              mediaType: "text/plain",
              annotations: { "org.opencontainers.image.created": "2025-01-02T03:04:05Z", colour: "blue" },
            }),
            { title: "data/big.bin", content: { kind: "noise", seed: 5, size: 1_000_000 } },
          ],
        },
      );
    });
    afterAll(() => registry.close());
    beforeEach(() => {
      home = createHome();
      dir = join(home.path, "mnt");
      mkdirSync(dir);
    });
    afterEach(async () => {
      // Not all: mounts of other tests, whose sessions lie elsewhere, look dead from here.
      const left = readMounts().map(({ mountpoint }) => mountpoint);
      const ours = left.filter((mountpoint) => mountpoint.startsWith(`${home.path}/`));
      if (ours.length > 0) await run(["unmount", "--lazy", ...ours]);
      expect(sh("cat /proc/mounts")).not.toContain(home.path);
      home.remove();
    });

    test("names are made safe, each change and omission is one warning, and inspect lists them", async () => {
      const files = TITLES.map(([title], i) => text(`content ${i}`, title));
      files.push({ content: { kind: "bytes", bytes: Buffer.from("nameless") }, mediaType: "application/x-tar" });
      const names = await putArtifact(registry, { repository: "e2e/names", tag: "v1" }, { files });
      const { stderr } = await mount(names.reference);
      const warnings = stderr.trimEnd().split("\n");
      const changed = TITLES.filter(([title, name]) => title !== name);
      expect(warnings).toHaveLength(changed.length);
      for (const line of warnings) expect(line).toMatch(/^riffle: warning: .+ (?:is shown as ".+"|is left out): /);
      for (const [i, [, name]] of TITLES.entries()) {
        if (name !== undefined) expect(sh(`cat ${dir}/${name}`)).toBe(`content ${i}`);
      }
      const nameless = `sha256-${names.layers.at(-1)?.digest.slice(7, 19)}.tar`;
      const shown = [...TITLES.flatMap(([, name]) => name ?? []), nameless].toSorted();
      expect(sh(`cd ${dir} && find . -type f`).trimEnd().split("\n").toSorted()).toEqual(
        shown.map((name) => `./${name}`),
      );
      const inspected = JSON.parse((await run(["inspect", "--json", names.reference])).stdout) as {
        warnings: unknown[];
        layers: { path: string | null }[];
      };
      expect(inspected.warnings).toHaveLength(changed.length);
      expect(inspected.layers.filter(({ path }) => path === null)).toHaveLength(5);
      const quiet = await run(["run", "-q", names.reference, "--", "true"]);
      expect([quiet.code, quiet.stderr]).toEqual([0, ""]);
    });

    test(".oci can be opened and is not listed; what lives in it", async () => {
      await mount(scenes.reference);
      expect(sh(`ls -A ${dir}`)).toBe("data\nhello.txt\n");
      expect(sh(`ls -A ${dir}/.oci`).trimEnd().split("\n").toSorted()).toEqual(
        ["annotations.json", "config.json", "errors", "layers", "manifest.json", "reference", "stats.json"].toSorted(),
      );
      expect(sh(`cat ${dir}/.oci/manifest.json`)).toBe(Buffer.from(scenes.manifest).toString());
      expect(sh(`cat ${dir}/.oci/config.json`)).toBe("{}");
      const pinned = `${registry.host}/e2e/scenes@${scenes.descriptor.digest}`;
      expect(sh(`cat ${dir}/.oci/reference`).trim()).toBe(pinned);
      expect(JSON.parse(sh(`cat ${dir}/.oci/annotations.json`))).toMatchObject({ purpose: "test" });
      const layer = `${dir}/.oci/layers/${scenes.layers[1]?.digest}`;
      expect(sh(`cmp ${layer} ${dir}/data/big.bin && echo same; cat ${dir}/.oci/errors`)).toBe("same\n");
      const reads = (): number => (JSON.parse(sh(`cat ${dir}/.oci/stats.json`)) as { reads: number }).reads;
      expect(reads()).toBe(reads());
      expect(sh(`diff -r ${dir} ${dir}; cp -r ${dir} ${home.path}/copy && ls -A ${home.path}/copy`)).toBe(
        "data\nhello.txt\n",
      );
      expect(sh("cat /proc/mounts")).toMatch(new RegExp(`^${pinned} ${dir} fuse\\.riffle ro,nosuid,nodev,`, "m"));
    });

    test("attributes, statfs, inodes that last, and nothing that can be written", async () => {
      await mount(scenes.reference);
      const uid = process.getuid?.() ?? 0;
      const facts = (): string => sh(`cd ${dir} && stat -c '%n %a %u %Y %s' hello.txt data data/big.bin`);
      const first = Date.parse("2025-01-02T03:04:05Z") / 1000;
      const later = Date.parse("2026-01-02T03:04:05Z") / 1000;
      expect(facts()).toBe(
        `hello.txt 444 ${uid} ${first} 6\ndata 555 ${uid} ${later} 0\ndata/big.bin 444 ${uid} ${later} 1000000\n`,
      );
      expect(sh(`stat -f -c '%a %f %S' ${dir}`)).toBe("0 0 4096\n");
      expect(Number(sh(`stat -f -c %b ${dir}`)) * 4096).toBeGreaterThanOrEqual(1_000_006);
      expect(Number(sh(`stat -c %b ${dir}/data/big.bin`)) * 512).toBeGreaterThanOrEqual(1_000_000);
      const inode = (path = "data/big.bin"): string => sh(`stat -c %i ${dir}/${path}`);
      const inodes = [inode()];
      for (const words of ["touch n", "rm hello.txt", "mkdir n", "mv data n", "ln -s a n", "truncate -s 0 hello.txt"])
        expect(sh(`cd ${dir} && ${words}`)).toMatch(/Read-only file system/);
      await run(["unmount", dir]);
      await mount(scenes.reference, "--include", "*.bin");
      expect(sh(`ls ${dir}`)).toBe("data\n");
      inodes.push(inode());
      await run(["unmount", dir]);
      await mount(scenes.reference, "--subpath", "data");
      expect(sh(`ls ${dir}; head -c 1 ${dir}/.oci/manifest.json`)).toBe("big.bin\n{");
      inodes.push(inode("big.bin"));
      expect(new Set(inodes).size).toBe(1);
    });

    test.skipIf(!hasProgram("getfattr"))("extended attributes (skipped without getfattr, package attr)", async () => {
      await mount(scenes.reference);
      const value = (name: string): string => sh(`cd ${dir} && getfattr --only-values -n user.oci.${name} hello.txt`);
      expect(value("digest")).toBe(scenes.layers[0]?.digest);
      expect([value("mediatype"), value("verified"), value("cached")]).toEqual(["text/plain", "transport", "0"]);
      expect(value("annotation.colour")).toBe("blue");
      sh(`cat ${dir}/hello.txt`);
      for (let tries = 0; tries < 50 && value("verified") !== "full"; tries += 1) sh("sleep 0.1");
      expect([value("verified"), value("cached")]).toEqual(["full", "6"]);
      expect(sh(`getfattr -n user.nothing ${dir}/hello.txt`)).toMatch(/No such attribute/);
    });

    test("two mounts of one artifact, and a tag that moves under them", async () => {
      const place = { repository: "e2e/moving", tag: "v1" };
      const { reference } = await putArtifact(registry, place, { files: [text("old", "f")] });
      await mount(reference);
      const other = join(home.path, "other");
      mkdirSync(other);
      expect(await run(["mount", reference, other])).toMatchObject({ code: 0 });
      await putArtifact(registry, place, { files: [text("new", "f")] });
      expect(sh(`cat ${dir}/f ${other}/f`)).toBe("oldold");
      // Other tests mount too, as this very user.
      const ours = async (): Promise<readonly string[]> => {
        const { mounts } = JSON.parse((await run(["status", "--json"])).stdout) as { mounts: { mountpoint: string }[] };
        return mounts.map(({ mountpoint }) => mountpoint).filter((mountpoint) => mountpoint.startsWith(home.path));
      };
      expect(await ours()).toEqual([dir, other]);
      expect(await run(["unmount", dir, other])).toMatchObject({ code: 0, stdout: "" });
      expect(await ours()).toEqual([]);
      await mount(reference);
      expect(sh(`cat ${dir}/f`)).toBe("new");
    });

    test("an index shows the entry of a platform, or without platforms all of them", async () => {
      const built = [
        await buildArtifact({ files: [text("one", "f")] }),
        await buildArtifact({ files: [text("two", "f")] }),
      ] as const;
      const [one, two] = built.map(({ descriptor }) => descriptor);
      if (one === undefined || two === undefined) throw new Error("both were built");
      for (const [i, artifact] of built.entries())
        await seedArtifact(registry, { repository: "e2e/index", tag: `p${i}` }, artifact);
      const put = (tag: string, { bytes }: { readonly bytes: Uint8Array }): Promise<string> =>
        registry.addManifest("e2e/index", { mediaType: INDEX_TYPE, bytes, tag });
      const named = { ...one, annotations: { "org.opencontainers.image.ref.name": "first" } };
      await put("all", buildIndex([named, two]));
      const arm = { os: "linux", architecture: "arm64", variant: "v8" };
      await put(
        "some",
        buildIndex([
          { ...one, platform: { os: "linux", architecture: "s390x" } },
          { ...two, platform: arm },
        ]),
      );
      await mount(`${registry.host}/e2e/index:all`);
      expect(sh(`cd ${dir} && find . -type f | sort`)).toBe(`./first/f\n./sha256-${two.digest.slice(7, 19)}/f\n`);
      await run(["unmount", dir]);
      await mount(`${registry.host}/e2e/index:some`, "--platform", "linux/arm64");
      expect(sh(`cat ${dir}/f`)).toBe("two");
      const none = await run(["ls", "--platform", "plan9/mips", `${registry.host}/e2e/index:some`]);
      expect(none).toMatchObject({ code: 3, stdout: "" });
      expect(none.stderr).toContain("linux/s390x, linux/arm64/v8");
    });
  },
);
