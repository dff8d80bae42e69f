import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { hasProgram, mountObstacle, otherMountsGo } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

const obstacle =
  mountObstacle() ?? (process.getuid?.() === 0 && hasProgram("unshare") ? undefined : "needs root and unshare");

/** Processes that keep a mount alive after it was taken out of the tree. */
const HOLDERS: Readonly<Record<string, (place: string) => readonly [string, readonly string[]]>> = {
  "an open directory": (place) => ["sh", ["-c", `exec 3<${place}; echo held; exec sleep 60`]],
  "a mount namespace": (place) => ["unshare", ["-m", "sh", "-c", `${otherMountsGo(place)}echo held; exec sleep 60`]],
};

describe.skipIf(obstacle !== undefined)(
  `a mount that another process detaches and holds${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let home: FaultHome;
    let registry: RegistryHandle;
    let reference: string;
    let holder: ChildProcess | undefined;
    beforeAll(async () => {
      registry = await spawnRegistry();
      const file = { title: "a.txt", content: { kind: "bytes" as const, bytes: Buffer.from("hello\n") } };
      ({ reference } = await putArtifact(registry, { repository: "t/x", tag: "v" }, { files: [file] }));
    });
    afterAll(() => registry.close());
    beforeEach(() => {
      home = faultHome();
    });
    afterEach(async () => {
      holder?.kill("SIGKILL");
      await home.end();
    });

    const hold = async (how: string, place: string): Promise<void> => {
      const [program = "", args = []] = HOLDERS[how]?.(place) ?? [];
      holder = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
      if (holder.stdout !== null) await once(holder.stdout, "data");
      expect(spawnSync("umount", ["-i", "-l", place]).status).toBe(0);
    };

    describe.each(Object.keys(HOLDERS))("by %s", (how) => {
      test("as it starts: run ends by SIGTERM", async () => {
        let pid = 0;
        const running = home.riffle(["run", "-q", reference, "--", "sleep", "60"], { onStart: (id) => (pid = id) });
        await expect.poll(home.mounts, { timeout: 10_000, interval: 1 }).toHaveLength(1);
        await hold(how, home.mounts()[0] ?? "");
        process.kill(pid, "SIGTERM");
        // a command that had begun, one that found no directory, or none
        expect([125, 130, 143]).toContain((await running).code);
        expect(readdirSync(join(home.path, "tmp"))).toEqual([]);
      });

      test("while its command runs: run ends with its command", async () => {
        expect((await home.sh("mkfifo on")).status).toBe(0);
        const script = `echo > ${home.path}/begun; read word < ${home.path}/on`;
        const running = home.riffle(["run", "-q", reference, "--", "sh", "-c", script]);
        await expect.poll(() => readdirSync(home.path), { timeout: 10_000 }).toContain("begun");
        await hold(how, home.mounts()[0] ?? "");
        await home.sh("echo word > on");
        expect(await running).toMatchObject({ code: 0, stderr: "" });
      });

      test("of a daemon: the second SIGTERM ends it", async () => {
        const place = home.place("mnt");
        const { code, stdout } = await home.riffle(["mount", "--json", reference, place]);
        expect(code).toBe(0);
        // what riffle mount --json prints
        const { pid } = JSON.parse(stdout) as { pid: number };
        await hold(how, place);
        process.kill(pid, "SIGTERM");
        process.kill(pid, "SIGTERM");
        await expect
          .poll(
            () => {
              if (home.processes().length > 0) process.kill(pid, "SIGTERM");
              return home.processes();
            },
            { timeout: 10_000, interval: 200 },
          )
          .toEqual([]);
      });
    });
  },
);
