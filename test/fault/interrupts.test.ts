import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import type { Content } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { mountObstacle } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

const obstacle = mountObstacle();
const BYTES = 4 * 1024 * 1024;
const content: Content = { kind: "noise", seed: 9, size: BYTES };
/** From before the first line of ours runs to after the last: on a slow machine they fall earlier, and that is as well. */
const MOMENTS_MS = [120, 200, 260, 320, 380, 450, 550, 700, 900, 1300];

let home: FaultHome;
let registry: RegistryHandle;
let reference: string;
beforeAll(async () => {
  // slow enough that a command can be met in the middle of its bytes
  registry = await spawnRegistry({ latencyMs: 40, ratePerConnection: 2 * 1024 * 1024 });
  ({ reference } = await putArtifact(
    registry,
    { repository: "t/x", tag: "v" },
    { files: [{ title: "a.bin", content }] },
  ));
});
afterAll(() => registry.close());
beforeEach(() => {
  home = faultHome();
});
afterEach(() => home.end());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function interrupted(words: readonly string[], afterMs: number, signal: NodeJS.Signals): Promise<Ended> {
  let pid = 0;
  const ending = home.riffle(words, { onStart: (started) => (pid = started) });
  const over = await Promise.race([ending.then(() => true), sleep(afterMs, false)]);
  if (!over) process.kill(pid, signal);
  const { code, signal: by, stdout, stderr } = await ending;
  // before node has set up our handlers the signal itself ends the process, and nothing was begun
  return { code: by === null ? code : 130, stdout, stderr };
}

/** Interrupted with one line or none (a process that had hardly begun), or done before the signal came. */
function expectEnd({ code, stderr }: Ended): void {
  expect([0, 130]).toContain(code);
  if (code === 130) expect(stderr).toMatch(/^(?:riffle: [^\n]*interrupted[^\n]*\n)?$/);
}

describe.each(["SIGINT", "SIGTERM"] as const)("%s at any moment", (signal) => {
  test.each([
    ["pull", () => ["pull", reference, "-o", "out", "-q"]],
    ["cp", () => ["cp", reference, "a.bin", "out/", "-q", "--no-cache"]],
    ["cat", () => ["cat", reference, "a.bin", "--no-cache"]],
  ] as const)("of %s: 130, no unfinished file under a name", async (_, words) => {
    for (const moment of MOMENTS_MS) {
      const ended = await interrupted(words(), moment, signal);
      expectEnd(ended);
      const out = join(home.path, "out");
      const names = existsSync(out) ? readdirSync(out) : [];
      if (names.includes("a.bin")) break;
      expect(names.filter((name) => !/^\.riffle-[0-9a-f]{24}\.part$/.test(name))).toEqual([]);
    }
    // what is left does not hinder, and is taken up
    const whole = await home.riffle(words());
    expect(whole.code).toBe(0);
    if (words()[0] === "cat") expect(whole.stdoutBytes.length).toBe(BYTES);
    else expect(readdirSync(join(home.path, "out"))).toEqual(["a.bin"]);
  });

  describe.skipIf(obstacle !== undefined)(`of a mount${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
    test("mount: mounted, or nothing is left", { timeout: 60_000 }, async () => {
      for (const moment of MOMENTS_MS) {
        const place = home.place(`mnt-${moment}`);
        const ended = await interrupted(["mount", reference, place], moment, signal);
        expectEnd(ended);
        if (ended.code === 0) expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
        await expect.poll(home.processes, { timeout: 10_000, interval: 20 }).toEqual([]);
        expect(home.mounts()).toEqual([]);
      }
    });

    test("run: the command ends, and nothing is left", { timeout: 60_000 }, async () => {
      for (const moment of MOMENTS_MS) {
        const ended = await interrupted(["run", "-q", reference, "--", "sleep", "20"], moment, signal);
        // 128 + n: the command had begun, and the signal was its own
        expect([130, signal === "SIGINT" ? 130 : 143]).toContain(ended.code);
        await expect.poll(home.processes, { timeout: 10_000, interval: 20 }).toEqual([]);
        expect(home.mounts()).toEqual([]);
        expect(readdirSync(join(home.path, "tmp"))).toEqual([]);
      }
    });
  });
});

describe.skipIf(obstacle !== undefined)(
  `kill -9 of run${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    test("leaves a dead private mount, which the next start takes away", async () => {
      let pid = 0;
      const script = `echo "$$" > ${home.path}/inner; exec sleep 20`;
      const words = ["run", "-q", reference, "--", "sh", "-c", script];
      const ending = home.riffle(words, { onStart: (started) => (pid = started) });
      await expect.poll(() => existsSync(join(home.path, "inner")), { timeout: 10_000 }).toBe(true);
      process.kill(pid, "SIGKILL");
      const inner = (await home.sh("cat inner")).stdout.toString().trim();
      process.kill(Number(inner), "SIGTERM");
      await ending;
      expect(home.mounts()).toHaveLength(1);
      expect(await home.riffle(["run", "-q", reference, "--", "true"])).toMatchObject({ code: 0, stderr: "" });
      expect(home.mounts()).toEqual([]);
    });
  },
);
