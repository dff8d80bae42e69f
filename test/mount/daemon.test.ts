import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, readlinkSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { makePrivateMountpoint } from "../../src/mount/private-mount.ts";
import { mountAt } from "../../src/mount/proc-mounts.ts";
import { processState } from "../../src/mount/process-identity.ts";
import { readSessionStates } from "../../src/mount/session-state.ts";
import { cleanStale, listSessions, sessionReport } from "../../src/mount/sessions.ts";
import { spawnDaemon } from "../../src/mount/spawn-daemon.ts";
import { unmountAt } from "../../src/mount/unmount.ts";
import { DAEMON_ENTRY, daemonFixture, SECRET, untilGone } from "../support/daemons.ts";
import { noMounts, PROGRAMS } from "../support/mounted-child.ts";
import type { MemoryDaemonPayload } from "../support/programs/memory-daemon.ts";

const at = daemonFixture();
const lack = noMounts("kernel");
if (lack !== undefined) console.warn(`SKIPPED: daemons: ${lack}`);

describe.skipIf(lack !== undefined)("a daemon", () => {
  test("has its mount ready when its command returns, and shows no secret and holds no descriptor", async () => {
    const { pid, identity, state } = await at.start();
    expect(readFileSync(join(at.mountpoint, "hello.txt"))).toHaveLength(13);
    expect(state).toMatchObject({
      mountpoint: at.mountpoint,
      backend: "kernel",
      process: identity,
      device: mountAt(at.mountpoint)?.device,
    });
    for (const file of ["cmdline", "environ"])
      expect(readFileSync(`/proc/${pid}/${file}`, "utf8")).not.toContain(SECRET);
    expect([0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))).toEqual([
      "/dev/null",
      "/dev/null",
      "/dev/null",
    ]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    expect(fields[3]).toBe(String(pid));
    const sessions = await listSessions({ directory: at.directory });
    const mine = sessions.find((session) => session.mountpoint === at.mountpoint);
    expect(mine?.status).toBe("ready");
    expect(mine === undefined ? undefined : sessionReport(mine)).toMatchObject({
      mountpoint: at.mountpoint,
      pid,
      state: "ready",
      backend: "kernel",
    });
    await unmountAt(at.mountpoint, { directory: at.directory });
    // Nothing is waited for after an unmount: all is gone when it returns.
    expect([processState(identity), mountAt(at.mountpoint), readdirSync(at.directory)]).toEqual([
      "gone",
      undefined,
      [],
    ]);
  });

  test("keeps none of a script's descriptors, and outlives the command that started it", async () => {
    const lock = join(at.home, "lock");
    const program = join(PROGRAMS, "start-daemon.js");
    const script = `exec 9>"$1" 200>"$1"; "$2" "$3" "$4" end`;
    const run = spawnSync(
      "bash",
      ["-c", script, "bash", lock, process.execPath, program, JSON.stringify(at.payload())],
      {
        encoding: "utf8",
      },
    );
    const pid = Number(/"pid":([0-9]+)/.exec(run.stdout)?.[1]);
    expect(run.stdout).toContain('{"notice":"about to serve"}');
    const identity = at.remember(pid);
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return "";
      }
    });
    expect(open).not.toContain(lock);
    expect(readdirSync(join(at.mountpoint, "many"))).toHaveLength(3);
    process.kill(pid, "SIGHUP");
    expect(readdirSync(join(at.mountpoint, "many"))).toHaveLength(3);
    process.kill(pid, "SIGTERM");
    await untilGone(identity);
  });

  test("outlives its command being killed after it was ready, and does not when it was not", async () => {
    const program = join(PROGRAMS, "start-daemon.js");
    for (const behaviour of ["serve", "slow"] as const) {
      const command = spawn(process.execPath, [program, JSON.stringify(at.payload({ behaviour })), "wait"]);
      const [said] = (await once(command.stdout, "data")) as [Buffer];
      let text = said.toString();
      const children = readFileSync(`/proc/${command.pid}/task/${command.pid}/children`, "utf8").trim().split(" ");
      const identity = at.remember(Number(children[0]));
      if (behaviour === "serve") {
        for await (const chunk of command.stdout) {
          text += String(chunk);
          if (text.includes("pid")) break;
        }
      }
      command.kill("SIGKILL");
      await once(command, "exit");
      if (behaviour === "serve") {
        expect(readFileSync(join(at.mountpoint, "hello.txt"))).toHaveLength(13);
        process.kill(identity.pid, "SIGTERM");
      }
      await untilGone(identity);
      expect(mountAt(at.mountpoint)).toBe(undefined);
    }
  });

  test("hands over its error, its death, and a time limit, and leaves nothing", async () => {
    const spawned = (behaviour: MemoryDaemonPayload["behaviour"], timeoutMs = 20_000): Promise<unknown> =>
      spawnDaemon({ entry: DAEMON_ENTRY, payload: at.payload({ behaviour }), timeoutMs });
    await expect(spawned("refuse")).rejects.toMatchObject({ code: "credentials", message: "refused", hint: "log in" });
    await expect(spawned("die")).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining("SIGKILL") as string,
    });
    await expect(spawned("slow", 300)).rejects.toMatchObject({ code: "timeout" });
    const missing = spawnDaemon({ entry: pathToFileURL("/no/such.js"), payload: {}, timeoutMs: 20_000 });
    await expect(missing).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining("exit code 1") as string,
    });
    await expect(at.start({ mountpoint: join(at.home, "none") })).rejects.toMatchObject({ code: "not-found" });
    expect(readSessionStates(at.directory)).toEqual([]);
  });

  test("is called off by its command's signal at any moment", async () => {
    const early = spawnDaemon({
      entry: DAEMON_ENTRY,
      payload: at.payload(),
      timeoutMs: 20_000,
      signal: AbortSignal.abort(),
    });
    await expect(early).rejects.toMatchObject({ code: "aborted" });
    for (const delay of [5, 150, 400]) {
      const signal = AbortSignal.timeout(delay);
      const called = spawnDaemon({
        entry: DAEMON_ENTRY,
        payload: at.payload({ behaviour: "slow" }),
        timeoutMs: 20_000,
        signal,
      });
      await expect(called).rejects.toMatchObject({ code: "aborted" });
    }
    const controller = new AbortController();
    const late = spawnDaemon({
      entry: DAEMON_ENTRY,
      payload: at.payload(),
      timeoutMs: 20_000,
      signal: controller.signal,
      onNotice: () => controller.abort(),
    });
    await expect(late).rejects.toMatchObject({ code: "aborted" });
    expect(mountAt(at.mountpoint)).toBe(undefined);
  });

  test("ends with its mount after a bug", async () => {
    const { identity } = await at.start({ behaviour: "bug" });
    await untilGone(identity);
    expect(mountAt(at.mountpoint)).toBe(undefined);
  });

  test("takes a private mountpoint with it", async () => {
    const own = makePrivateMountpoint();
    const { identity } = await at.start({ mountpoint: own, isPrivate: true });
    expect(spawnSync("umount", [own]).status).toBe(0);
    await untilGone(identity);
    expect(existsSync(own)).toBe(false);
  });

  test("leaves a private mount when it is killed, which the next start takes out with all that belongs to it", async () => {
    const own = makePrivateMountpoint();
    const { pid, identity } = await at.start({ mountpoint: own, isPrivate: true });
    process.kill(pid, "SIGKILL");
    await untilGone(identity);
    expect(mountAt(own)?.type).toBe("fuse.riffle");
    await cleanStale(at.directory);
    expect(mountAt(own)).toBeUndefined();
    expect([existsSync(own), readdirSync(at.directory)]).toEqual([false, []]);
  });

  test("refuses a second mount at the same place without hanging", async () => {
    await at.start();
    await expect(at.start()).rejects.toMatchObject({ code: "exists" });
    await unmountAt(at.mountpoint, { directory: at.directory });
  });

  test("is not found where riffle mounted nothing", async () => {
    await expect(unmountAt(at.mountpoint, { directory: at.directory })).rejects.toMatchObject({ code: "not-found" });
    await expect(unmountAt("/proc", { directory: at.directory })).rejects.toMatchObject({ code: "not-found" });
  });

  test("is not killed when its process is a program of its own: the mount alone goes, hung or not", async () => {
    for (const isStopped of [false, true]) {
      const program = spawn(process.execPath, [join(PROGRAMS, "library-mount.js"), at.mountpoint, at.directory]);
      const exit = once(program, "exit");
      const [said] = (await once(program.stdout, "data")) as [Buffer];
      expect(said.toString()).toContain("ready");
      const identity = at.remember(program.pid ?? 0);
      if (isStopped) process.kill(identity.pid, "SIGSTOP");
      await unmountAt(at.mountpoint, { directory: at.directory });
      expect([processState(identity), mountAt(at.mountpoint)]).toEqual(["running", undefined]);
      if (isStopped) process.kill(identity.pid, "SIGCONT");
      await expect.poll(() => readdirSync(at.directory)).toEqual([]);
      program.kill("SIGKILL");
      await exit;
    }
  });

  test("leaves a socket and a draft when it is killed early, which are cleaned", async () => {
    const { pid, identity } = await at.start();
    process.kill(pid, "SIGKILL");
    await untilGone(identity);
    await unmountAt(at.mountpoint, { directory: at.directory });
    const other = await at.start();
    const socket = readdirSync(at.directory).find((name) => name.endsWith(".sock"));
    // As if it had been killed before it wrote its state; and one of its drafts.
    process.kill(other.pid, "SIGKILL");
    await untilGone(other.identity);
    spawnSync("umount", ["-l", at.mountpoint]);
    for (const { file } of readSessionStates(at.directory)) {
      renameSync(file, join(at.directory, `.${basename(file)}.0123456789ab`));
    }
    expect(readdirSync(at.directory)).toHaveLength(2);
    expect(readdirSync(at.directory)).toContain(socket);
    await cleanStale(at.directory);
    expect(readdirSync(at.directory)).toEqual([]);
  });
});
