import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putArtifact, type BuiltArtifact } from "../support/artifacts.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { noise } from "../support/content.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const MIB = 1024 * 1024;
const bytes = noise(31, { start: 0, end: 8 * MIB });

let registry: RegistryHandle;
let home: FaultHome;
let artifact: BuiltArtifact & { readonly reference: string };

beforeEach(async () => {
  home = faultHome();
  registry = await spawnRegistry();
  artifact = await putArtifact(
    registry,
    { repository: "e2e/offline", tag: "v1" },
    {
      files: [
        { title: "a.bin", content: { kind: "bytes", bytes } },
        { title: "b.txt", content: { kind: "bytes", bytes: new TextEncoder().encode("bee\n") } },
      ],
    },
  );
});
afterEach(async () => {
  await registry.close();
  await home.end();
});

describe("--offline", () => {
  test("gives what the cache holds while no registry is there, and says at once what it does not hold", async () => {
    expect(await home.riffle(["cat", artifact.reference, "a.bin", "--range", "0-100000"])).toMatchObject({ code: 0 });
    await registry.close();
    const list = await home.riffle(["ls", artifact.reference, "--offline"]);
    expect(list).toMatchObject({ code: 0, stdout: "a.bin\nb.txt\n", stderr: "" });
    const held = await home.riffle(["cat", artifact.reference, "a.bin", "--range", "5-50005", "--offline"]);
    expect([held.code, held.stdoutBytes.equals(bytes.slice(5, 50_005))]).toEqual([0, true]);
    const byDigest = artifact.reference.replace(":v1", `@${artifact.descriptor.digest}`);
    expect(await home.riffle(["ls", byDigest, "--offline"])).toMatchObject({ code: 0, stdout: "a.bin\nb.txt\n" });
    const missing = await home.riffle(["cat", artifact.reference, "b.txt", "--offline"]);
    expect([missing.code, missing.stdout]).toEqual([7, ""]);
    expect(missing.stderr).toMatch(/^riffle: cat: offline, and these bytes are not in the cache: sha256:.*\n$/);
  });

  test("asks for nothing while a registry is there", async () => {
    expect(await home.riffle(["prefetch", artifact.reference])).toMatchObject({ code: 0 });
    await registry.reset();
    const all = await home.riffle(["cat", artifact.reference, "a.bin", "--offline"]);
    expect([all.code, all.stdoutBytes.equals(bytes)]).toEqual([0, true]);
    expect((await registry.counters()).requests).toBe(0);
  });

  test("knows nothing of what was never opened, or not with this cache", async () => {
    const unknown = await home.riffle(["ls", artifact.reference, "--offline"]);
    expect([unknown.code, unknown.stderr]).toEqual([7, expect.stringContaining("was never opened with this cache")]);
    expect(await home.riffle(["ls", artifact.reference])).toMatchObject({ code: 0 });
    const elsewhere = await home.riffle(["ls", artifact.reference, "--offline", "--cache-dir", home.place("other")]);
    expect(elsewhere.code).toBe(7);
    expect((await home.riffle(["ls", artifact.reference, "--offline", "--no-cache"])).code).toBe(7);
  });

  test("believes no manifest that was changed on disk", async () => {
    await home.riffle(["ls", artifact.reference]);
    const folder = join(home.path, "cache/riffle/v1/derived/documents");
    const name = readdirSync(folder).find((file) => file.startsWith("manifest-")) ?? "";
    writeFileSync(join(folder, name), readFileSync(join(folder, name), "utf8").replace("a.bin", "z.bin"));
    const { code, stderr } = await home.riffle(["ls", artifact.reference, "--offline"]);
    expect([code, stderr]).toEqual([6, expect.stringContaining("does not have its digest")]);
    // Online it is fetched, and kept anew.
    expect(await home.riffle(["ls", artifact.reference])).toMatchObject({ code: 0, stdout: "a.bin\nb.txt\n" });
    expect(await home.riffle(["ls", artifact.reference, "--offline"])).toMatchObject({ code: 0 });
  });
});

const obstacle = mountObstacle();
describe.skipIf(obstacle !== undefined)(
  `a mount with --offline${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    test("reads what is cached; the rest is EIO at once, with the reason", async () => {
      await home.riffle(["cat", artifact.reference, "a.bin", "--range", "0-1048576"]);
      await registry.reset();
      const place = home.place("mnt");
      expect(await home.riffle(["mount", artifact.reference, place, "--offline"])).toMatchObject({
        code: 0,
        stderr: "",
      });
      const head = await home.sh(
        `head -c ${MIB} ${place}/a.bin | sha256sum; cat ${place}/b.txt; cat ${place}/.oci/errors`,
      );
      expect(head.stdout.toString()).toContain("offline, and these bytes are not in the cache");
      expect(head.stderr).toContain("Input/output error");
      expect((await registry.counters()).requests).toBe(0);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
    });
  },
);
