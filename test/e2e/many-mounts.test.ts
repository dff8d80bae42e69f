import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import { manyFiles, putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle, run, temporaryFolder } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import { ROOT } from "../support/root.ts";

const MOUNTS = 100;
const obstacle = mountObstacle();

/** A user's program: one engine, many mounts, until its input ends. */
const PROGRAM = `
const [library, reference, folder, count] = process.argv.slice(2);
const { mkdirSync, readFileSync, readdirSync } = await import("node:fs");
const { createEngine, open } = await import(library);
const engine = await createEngine({ cacheDir: folder + "/cache" });
const artifacts = [];
const facts = () => {
  const status = readFileSync("/proc/self/status", "utf8");
  const value = (name) => Number(new RegExp(name + ":\\\\s+(\\\\d+)").exec(status)[1]);
  return { rss: value("VmRSS") * 1024, threads: value("Threads"), descriptors: readdirSync("/proc/self/fd").length };
};
const before = facts();
for (let at = 0; at < Number(count); at += 1) {
  const place = folder + "/mnt-" + String(at).padStart(3, "0");
  mkdirSync(place);
  const artifact = await open(reference, { engine, plainHttp: true });
  await artifact.mount(place);
  artifacts.push(artifact);
}
console.log(JSON.stringify({ before, mounted: facts() }));
process.stdin.on("data", () => console.log(JSON.stringify(facts())));
await new Promise((resolve) => process.stdin.once("end", resolve));
for (const artifact of artifacts) await artifact.close();
await engine.close();
console.log(JSON.stringify(facts()));
`;

interface Facts {
  readonly rss: number;
  readonly threads: number;
  readonly descriptors: number;
}

test.skipIf(obstacle !== undefined)(
  `${MOUNTS} mounts of one process are read within 400 MB, and leave it as it was${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  async () => {
    await using registry = await spawnRegistry();
    const { reference } = await putArtifact(
      registry,
      { repository: "t/many", tag: "v" },
      manyFiles(2, 100_000, { seed: 7 }),
    );
    using folder = temporaryFolder("many-mounts");
    const library = pathToFileURL(join(ROOT, "dist/index.js")).href;
    writeFileSync(join(folder.path, "program.mjs"), PROGRAM);
    const words = [join(folder.path, "program.mjs"), library, reference, folder.path, String(MOUNTS)];
    const child = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
    try {
      // what the program above prints
      const { before, mounted } = (await next()) as { readonly before: Facts; readonly mounted: Facts };
      expect(mounted.rss).toBeLessThan(400e6);
      expect(mounted.threads - before.threads).toBeLessThan(20);
      const found = await run("sh", ["-c", `sha256sum ${folder.path}/mnt-*/file-0.bin; ls ${folder.path}/mnt-*`]);
      expect([found.status, found.stderr]).toEqual([0, ""]);
      const right = sha256(noise(7, { start: 0, end: 100_000 })).slice(7);
      const told = found.stdout.toString().split("\n");
      expect(told.filter((line) => line.startsWith(right))).toHaveLength(MOUNTS);
      expect(told.filter((line) => line === "file-1.bin")).toHaveLength(MOUNTS);
      child.stdin.write("\n");
      expect(((await next()) as Facts).rss).toBeLessThan(400e6);
      child.stdin.end();
      const after = (await next()) as Facts;
      expect(after.threads).toBeLessThanOrEqual(before.threads);
      const [code] = (await once(child, "exit")) as [number | null];
      expect(code).toBe(0);
      expect(readMounts().filter(({ mountpoint }) => mountpoint.startsWith(folder.path))).toEqual([]);
      expect(readdirSync(folder.path)).toHaveLength(MOUNTS + 2);
    } finally {
      if (child.exitCode === null) child.kill("SIGKILL");
      for (const { mountpoint } of readMounts())
        if (mountpoint.startsWith(`${folder.path}/`)) await run("umount", ["-l", mountpoint]);
    }
  },
  180_000,
);
