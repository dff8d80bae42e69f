import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mountAt, readMounts } from "../../src/mount/proc-mounts.ts";
import { processState } from "../../src/mount/process-identity.ts";
import { cleanStale, listSessions, sessionReport } from "../../src/mount/sessions.ts";
import { unmountAt } from "../../src/mount/unmount.ts";
import { daemonFixture, untilGone, whileOpen } from "../support/daemons.ts";
import { noMounts } from "../support/mounted-child.ts";

/** How the daemons of one backend end: by commands, tools and signals, killed and stopped. */
export function daemonEndings(backend: "kernel" | "libfuse"): void {
  const at = daemonFixture();
  const missing = noMounts(backend);
  if (missing !== undefined) console.warn(`SKIPPED: daemons of ${backend}: ${missing}`);
  const mounted = test.skipIf(missing !== undefined);
  const only = async (): Promise<Awaited<ReturnType<typeof listSessions>>> =>
    (await listSessions({ directory: at.directory })).filter((session) => session.mountpoint === at.mountpoint);

  mounted.each([["umount"], ["fusermount3", "-u"], ["umount", "-l"]])(
    "ends when it is unmounted by %s %s",
    async (program, ...flags) => {
      const { identity } = await at.start({ backend });
      expect(spawnSync(program, [...flags.filter((flag) => flag !== undefined), at.mountpoint]).status).toBe(0);
      await untilGone(identity);
    },
  );

  mounted("unmounts on SIGTERM and SIGINT", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const { pid, identity } = await at.start({ backend });
      process.kill(pid, signal);
      await untilGone(identity);
      expect(mountAt(at.mountpoint)).toBe(undefined);
    }
  });

  mounted("stays on SIGTERM while it is in use, and goes on the second", async () => {
    const { pid, identity } = await at.start({ backend });
    await whileOpen(join(at.mountpoint, "hello.txt"), async () => {
      process.kill(pid, "SIGTERM");
      await expect(unmountAt(at.mountpoint, { directory: at.directory })).rejects.toMatchObject({
        code: "exists",
        message: expect.stringContaining(`in use by process ${process.pid}`) as string,
        hint: expect.stringContaining("--lazy") as string,
      });
      expect(readdirSync(join(at.mountpoint, "many"))).toHaveLength(3);
      process.kill(pid, "SIGTERM");
      await untilGone(identity);
      expect(mountAt(at.mountpoint)).toBe(undefined);
    });
  });

  mounted("is detached lazily and ends when its last file is closed", async () => {
    const { identity } = await at.start({ backend });
    await whileOpen(join(at.mountpoint, "hello.txt"), async () => {
      await unmountAt(at.mountpoint, { directory: at.directory, lazy: true });
      expect(mountAt(at.mountpoint)).toBe(undefined);
      expect(processState(identity)).toBe("running");
    });
    await untilGone(identity);
  });

  mounted("is dead after kill -9: listed so, and unmounted, also without its state file", async () => {
    for (const keepState of [true, false]) {
      const { pid, identity, state } = await at.start({ backend });
      process.kill(pid, "SIGKILL");
      await untilGone(identity);
      if (!keepState) rmSync(at.directory, { recursive: true });
      await cleanStale(at.directory);
      const [session] = await only();
      expect(session).toMatchObject({ status: "dead", mountpoint: at.mountpoint, device: state.device });
      expect(session === undefined ? undefined : sessionReport(session)).toMatchObject({
        state: "dead",
        mountpoint: at.mountpoint,
      });
      await unmountAt(`${at.mountpoint}/`, { directory: at.directory });
      expect([mountAt(at.mountpoint), await only()]).toEqual([undefined, []]);
    }
  });

  mounted("is hung when it is stopped: listed so in time, and taken by force", async () => {
    const before = readMounts().filter((mount) => mount.type === "fusectl").length;
    const { pid, identity } = await at.start({ backend });
    process.kill(pid, "SIGSTOP");
    // Somebody waits for it, uninterruptibly as far as a tool could see.
    const reader = spawn("cat", [join(at.mountpoint, "hello.txt")], { stdio: "ignore" });
    const exit = once(reader, "exit");
    const [session] = await only();
    expect(session).toMatchObject({ status: "hung" });
    await unmountAt(at.mountpoint, { directory: at.directory });
    expect((await exit)[0]).toBe(1);
    expect([processState(identity), mountAt(at.mountpoint), await only()]).toEqual(["gone", undefined, []]);
    expect(readMounts().filter((mount) => mount.type === "fusectl").length).toBe(before);
  });

  mounted("is not mistaken for dead from another state directory", async () => {
    await at.start({ backend });
    const other = join(at.home, "other");
    expect(
      (await listSessions({ directory: other })).filter((session) => session.mountpoint === at.mountpoint),
    ).toEqual([]);
    await unmountAt(at.mountpoint, { directory: at.directory });
  });
}
