import { afterEach, beforeEach, expect, test } from "vitest";
import { mountObstacle, temporaryFolder, type Folder } from "../support/processes.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";
import { cycleViolations, mountCycles } from "./cycles.ts";

const obstacle = mountObstacle();
let registry: SpawnedRegistry;
let folder: Folder;
beforeEach(async () => {
  registry = await spawnRegistry();
  folder = temporaryFolder("cycles");
});
afterEach(async () => {
  await registry.close();
  folder.remove();
});

test.skipIf(obstacle !== undefined)(
  `300 mounts and unmounts in one process leak no descriptor, thread, mount, socket, file or memory${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  async () => {
    const result = await mountCycles(registry, { cycles: 300, folder: folder.path, timeoutMs: 280_000 });
    expect([result.cycles, result.reads, cycleViolations(result)]).toEqual([300, 300, []]);
  },
  300_000,
);
