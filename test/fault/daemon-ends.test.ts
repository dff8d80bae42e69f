import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ArtifactStats } from "../../src/artifact/accounting.ts";
import { putArtifact } from "../support/artifacts.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { hasProgram, mountObstacle } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

const obstacle = mountObstacle() ?? (process.getuid?.() === 0 ? undefined : "not root");
const PATIENCE_MS = 10_000;

describe.skipIf(obstacle !== undefined)(`a daemon${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  let home: FaultHome;
  let registry: RegistryHandle;
  let reference: string;
  let place: string;
  let pid: number;
  beforeAll(async () => {
    registry = await spawnRegistry();
    const file = { title: "a.txt", content: { kind: "bytes" as const, bytes: Buffer.from("hello\n") } };
    ({ reference } = await putArtifact(registry, { repository: "t/x", tag: "v" }, { files: [file] }));
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    home = faultHome();
    place = home.place("mnt");
    pid = await mount();
  });
  afterEach(() => home.end());

  /** A fresh mount at `place`; the daemon's number. */
  const mount = async (): Promise<number> => {
    const { code, stdout, stderr } = await home.riffle(["mount", reference, place, "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    // what riffle mount --json prints
    return (JSON.parse(stdout) as ArtifactStats).pid;
  };
  const stateOf = async (): Promise<string | undefined> => {
    const { code, stdout } = await home.riffle(["status", "--json"]);
    expect(code).toBe(0);
    // what riffle status --json prints
    return (JSON.parse(stdout) as { mounts: ArtifactStats[] }).mounts[0]?.state;
  };
  /** Every command ends, and quickly enough. */
  const inTime = async (words: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const begun = performance.now();
    const outcome = await home.riffle(words);
    expect(performance.now() - begun).toBeLessThan(20_000);
    return outcome;
  };

  test.each([
    ["umount", (at: string) => `umount ${at}`],
    ["umount -l", (at: string) => `umount -l ${at}`],
    ["fusermount3 -u", (at: string) => (hasProgram("fusermount3") ? `fusermount3 -u ${at}` : `umount ${at}`)],
    ["SIGTERM", () => `kill -TERM ${pid}`],
    ["SIGINT", () => `kill -INT ${pid}`],
    ["SIGHUP, as nobody is meant, at last with SIGTERM", () => `kill -HUP ${pid}; sleep 0.3; kill -TERM ${pid}`],
  ])("ends with its mount: %s", async (_, script) => {
    expect((await home.sh(script(place))).stderr).toBe("");
    await expect.poll(home.processes, { timeout: PATIENCE_MS }).toEqual([]);
    expect(home.mounts()).toEqual([]);
    expect(await inTime(["status", place])).toMatchObject({ code: 3 });
  });

  test("survives the end of its terminal", async () => {
    await home.sh(`kill -HUP ${pid}`);
    expect((await home.sh(`cat ${place}/a.txt`)).stdout.toString()).toBe("hello\n");
    expect(await inTime(["unmount", place])).toMatchObject({ code: 0, stderr: "" });
  });

  test("that was killed: status says dead, unmount removes it", async () => {
    process.kill(pid, "SIGKILL");
    await expect.poll(home.processes, { timeout: PATIENCE_MS }).toEqual([]);
    expect((await home.sh(`cat ${place}/a.txt`)).stderr).toMatch(/not connected|connection abort/);
    expect(await stateOf()).toBe("dead");
    const said = await inTime(["status", place]);
    expect([said.code, said.stderr]).toEqual([0, `riffle: warning: ${place} is dead: riffle unmount removes it\n`]);
    expect(await inTime(["doctor"])).toMatchObject({ stdout: expect.stringContaining(`riffle unmount ${place}`) });
    expect(await inTime(["unmount", place])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await inTime(["unmount", place])).toMatchObject({ code: 3 });
  });

  test("that was killed: a mount at the same place is told what to do, or does it", async () => {
    process.kill(pid, "SIGKILL");
    await expect.poll(home.processes, { timeout: PATIENCE_MS }).toEqual([]);
    const again = await inTime(["mount", reference, place]);
    if (again.code === 0) expect((await home.sh(`cat ${place}/a.txt`)).stdout.toString()).toBe("hello\n");
    else
      expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/^riffle: mount: .*riffle unmount .*\n$/)]);
    expect(await inTime(["unmount", place])).toMatchObject({ code: 0 });
  });

  test("that was killed and unmounted from outside leaves what the next start cleans", async () => {
    process.kill(pid, "SIGKILL");
    await home.sh(`umount -l ${place}`);
    const other = home.place("other");
    expect(await inTime(["mount", reference, other])).toMatchObject({ code: 0 });
    const runtime = (await home.sh("ls runtime/riffle")).stdout.toString().trim().split("\n");
    expect(runtime).toHaveLength(2);
    expect(await inTime(["unmount", other])).toMatchObject({ code: 0 });
  });

  test("that is stopped: status says hung, no command hangs, unmount ends it", async () => {
    process.kill(pid, "SIGSTOP");
    const reading = home.sh(`cat ${place}/a.txt`);
    expect(await stateOf()).toBe("hung");
    expect(await inTime(["status", place])).toMatchObject({ code: 0, stderr: expect.stringContaining("is hung") });
    expect((await inTime(["doctor"])).stdout).toContain(`riffle unmount ${place}`);
    expect((await inTime(["mount", reference, place])).code).toBe(1);
    const other = home.place("other");
    expect(await inTime(["mount", reference, other])).toMatchObject({ code: 0 });
    expect(await inTime(["unmount", other])).toMatchObject({ code: 0 });
    expect(await inTime(["ls", reference])).toMatchObject({ code: 0 });
    expect(await inTime(["cache", "status"])).toMatchObject({ code: 0 });
    expect(await inTime(["unmount", place])).toMatchObject({ code: 0 });
    // sh ran cat before the connection was cut, or after it
    await reading;
    expect(home.processes()).toEqual([]);
  });

  test("whose mount is in use refuses to go, and names who is in the way", async () => {
    const user = home.sh(`exec 3<${place}/a.txt; exec sleep 20`);
    await expect
      .poll(async () => (await home.sh(`ls -l /proc/*/fd 2>/dev/null | grep -c ${place}/a.txt`)).status)
      .toBe(0);
    const refused = await inTime(["unmount", place]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/in use by process \d+.*--lazy/)]);
    expect((await home.sh(`cat ${place}/a.txt`)).stdout.toString()).toBe("hello\n");
    expect(await inTime(["unmount", "--lazy", place])).toMatchObject({ code: 0 });
    expect(home.mounts()).toEqual([]);
    const holder = Number(/process (\d+)/.exec(refused.stderr)?.[1]);
    process.kill(holder, "SIGTERM");
    await user;
  });

  test("writes why it ended, and no secret", () => {
    const logs = join(home.path, "state/riffle/logs");
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toContain("daemon");
    return home.riffle(["unmount", place]).then(async () => {
      expect((await home.sh(`cat ${logs}/*`)).stdout.toString()).toMatch(/ended: unmounted/);
    });
  });
});
