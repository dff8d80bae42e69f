import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { mountObstacle, type MountStats } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const bytes = noise(81, { start: 0, end: 9 * 1024 * 1024 });

let registry: RegistryHandle;
let home: FaultHome;
let reference: string;

beforeEach(async () => {
  home = faultHome();
  registry = await spawnRegistry();
  const file = (title: string, content: Uint8Array) => ({ title, content: { kind: "bytes", bytes: content } as const });
  ({ reference } = await putArtifact(
    registry,
    { repository: "e2e/prefetching", tag: "v1" },
    { files: [file("a.bin", bytes), file("b.parquet", bytes.slice(0, 200_000))] },
  ));
});
afterEach(async () => {
  await registry.close();
  await home.end();
});

type Stats = MountStats & { readonly prefetch: { readonly state: string; readonly bytes: number } | null };
const statsOf = async (): Promise<Stats | undefined> =>
  (JSON.parse((await home.riffle(["status", "--json"])).stdout) as { mounts: Stats[] }).mounts[0];

test("what --prefetch does not know, and where it is not, is a usage error", async () => {
  const some = await home.riffle(["mount", reference, home.place("mnt"), "--prefetch", "some"]);
  expect([some.code, some.stderr]).toEqual([2, expect.stringContaining("--prefetch: not a way to prefetch")]);
  expect(await home.riffle(["cat", reference, "a.bin", "--prefetch", "all"])).toMatchObject({ code: 2 });
  const help = await home.riffle(["mount", "--help"]);
  expect(help.stdout).toContain("--prefetch <what>");
  expect((await home.riffle(["ls", "--help"])).stdout).not.toContain("--prefetch");
});

const obstacle = mountObstacle();
describe.skipIf(obstacle !== undefined)(
  `a mount with --prefetch${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    test("all: status shows how far it is, and then no read needs the registry", async () => {
      const place = home.place("mnt");
      expect(await home.riffle(["mount", reference, place, "--prefetch", "all"])).toMatchObject({
        code: 0,
        stderr: "",
      });
      await expect.poll(async () => (await statsOf())?.prefetch?.state, { timeout: 20_000 }).toBe("done");
      expect((await statsOf())?.prefetch).toMatchObject({ bytes: bytes.length + 200_000 });
      const table = await home.riffle(["status"]);
      expect(table.stdout).toMatch(/PREFETCH\n.*100% done\n$/);
      await registry.close();
      const sum = await home.sh(`cat ${place}/a.bin ${place}/b.parquet | wc -c; cat ${place}/.oci/errors`);
      expect(sum.stdout.toString()).toBe(`${bytes.length + 200_000}\n`);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
    });

    test("hints, from the environment: the index alone; none by default", async () => {
      const place = home.place("mnt");
      const environment = { RIFFLE_PREFETCH: "hints" };
      expect(await home.riffle(["mount", reference, place], { environment })).toMatchObject({ code: 0 });
      await expect.poll(async () => (await statsOf())?.prefetch?.state, { timeout: 20_000 }).toBe("done");
      const { requests, bytes: moved } = (await registry.counters()).kinds.blob;
      // Whole pages around the last 64 KiB.
      expect(requests).toBe(1);
      expect(moved).toBeLessThan(64 * 1024 + 4096);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
      await registry.reset();
      const run = await home.riffle(["run", reference, "--json", "--", "true"]);
      expect([run.code, (JSON.parse(run.stderr) as Stats).prefetch]).toEqual([0, null]);
      expect((await registry.counters()).kinds.blob.requests).toBe(0);
    });
  },
);
