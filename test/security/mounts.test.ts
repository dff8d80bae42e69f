import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveMountpoint } from "../../src/mount/mountpoint.ts";
import { putArtifact } from "../support/artifacts.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

const SOMEBODY = 54_321;
const IS_ROOT = process.getuid?.() === 0;
const obstacle = mountObstacle();
const noMount = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
const noRoot = IS_ROOT ? "" : " (skipped: needs root)";

let registry: SpawnedRegistry;
let home: FaultHome;
let reference: string;

beforeEach(async () => {
  home = faultHome();
  registry = await spawnRegistry();
  const files = [{ title: "f", content: { kind: "bytes" as const, bytes: Buffer.from("bytes") } }];
  ({ reference } = await putArtifact(registry, { repository: "e2e/mounts", tag: "v1" }, { files }));
});
afterEach(async () => {
  await registry.close();
  await home.end();
});

test.skipIf(obstacle !== undefined)(
  `a mount is nosuid and nodev, and state, sockets and logs are for their user alone${noMount}`,
  async () => {
    const dir = home.place("mnt");
    expect(await home.riffle(["mount", reference, dir])).toMatchObject({ code: 0 });
    try {
      const line = readFileSync("/proc/mounts", "utf8")
        .split("\n")
        .find((one) => one.includes(` ${dir} `));
      expect(line?.split(" ")[3]?.split(",")).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev"]));
      expect(line).not.toContain("allow_other");
      const places = ["runtime/riffle", "state/riffle", "cache/riffle/v1"].map((name) => join(home.path, name));
      let count = 0;
      for (const place of places) {
        expect(statSync(place).mode & 0o077).toBe(0);
        for (const name of readdirSync(place, { recursive: true, encoding: "utf8" })) {
          expect([name, statSync(join(place, name)).mode & 0o077]).toEqual([name, 0]);
          count += 1;
        }
      }
      expect(count).toBeGreaterThan(8);
    } finally {
      expect(await home.riffle(["unmount", dir])).toMatchObject({ code: 0 });
    }
  },
);

test.skipIf(!IS_ROOT)(`a runtime directory of another user, or open to others, is refused${noRoot}`, async () => {
  const runtime = home.place("runtime/riffle");
  const dir = home.place("mnt");
  chmodSync(runtime, 0o777);
  const open = await home.riffle(["mount", reference, dir]);
  expect(open).toMatchObject({ code: 8 });
  expect(open.stderr).toContain("is open to others");
  chmodSync(runtime, 0o700);
  chownSync(runtime, SOMEBODY, SOMEBODY);
  const theirs = await home.riffle(["mount", reference, dir]);
  expect(theirs).toMatchObject({ code: 8 });
  expect(theirs.stderr).toContain(`belongs to user ${SOMEBODY}`);
  rmSync(runtime, { recursive: true });
  symlinkSync(home.place("elsewhere"), runtime);
  const linked = await home.riffle(["mount", reference, dir]);
  expect(linked).toMatchObject({ code: 8 });
  expect(linked.stderr).toContain("is not a directory");
  expect(readdirSync(home.place("elsewhere"))).toEqual([]);
  unlinkSync(runtime);
});

test.skipIf(!IS_ROOT)(`a mountpoint over a symbolic link of another user is refused${noRoot}`, async () => {
  const real = home.place("real");
  const link = join(home.path, "link");
  symlinkSync(real, link);
  expect(resolveMountpoint(link)).toBe(real);
  lchownSync(link, SOMEBODY, SOMEBODY);
  const refused = await home.riffle(["mount", reference, link]);
  expect(refused).toMatchObject({ code: 8, stdout: "" });
  expect(refused.stderr).toContain("a symbolic link of another user (name the directory itself)");
  mkdirSync(join(real, "deeper"));
  expect(() => resolveMountpoint(join(link, "deeper"))).toThrow(expect.objectContaining({ code: "permission" }));
  expect(home.mounts()).toEqual([]);
});

test.skipIf(obstacle !== undefined)(`nothing is mounted on or inside a riffle mount${noMount}`, async () => {
  const dir = home.place("mnt");
  expect(await home.riffle(["mount", reference, dir])).toMatchObject({ code: 0 });
  try {
    const link = join(home.path, "link");
    symlinkSync(dir, link);
    for (const place of [dir, join(dir, "f"), join(dir, "missing"), link]) {
      const refused = await home.riffle(["mount", reference, place]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toMatch(/is already|lies in/);
    }
    expect(home.mounts()).toEqual([dir]);
  } finally {
    expect(await home.riffle(["unmount", dir])).toMatchObject({ code: 0 });
  }
});
