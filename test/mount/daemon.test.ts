import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makePrivateMountpoint } from "../../src/mount/private-mount.ts";
import { mountAt, readMounts } from "../../src/mount/proc-mounts.ts";
import { processIdentity, processState, type ProcessIdentity } from "../../src/mount/process-identity.ts";
import { readSessionStates, type SessionState } from "../../src/mount/session-state.ts";
import { cleanStale, listSessions, sessionReport } from "../../src/mount/sessions.ts";
import { spawnDaemon } from "../../src/mount/spawn-daemon.ts";
import { unmountAt } from "../../src/mount/unmount.ts";
import { noMounts, PROGRAMS } from "../support/mounted-child.ts";
import type { MemoryDaemonPayload } from "../support/programs/memory-daemon.ts";

const BACKENDS = ["kernel", "libfuse"] as const;
const SECRET = "s3cr3t-payload";
const entry = pathToFileURL(join(PROGRAMS, "memory-daemon.js"));
let home = "";
let directory = "";
let mountpoint = "";
const daemons: ProcessIdentity[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "riffle-daemon-"));
  directory = join(home, "state");
  mountpoint = mkdtempSync(join(tmpdir(), "riffle-at-"));
});

/** Every test leaves no process, mount, socket or directory, by itself. */
afterEach(async () => {
  const left = {
    processes: daemons.filter((daemon) => processState(daemon) === "running").map(({ pid }) => pid),
    mounts: readMounts().filter((mount) => mount.mountpoint === mountpoint).length,
    state: existsSync(directory) ? readdirSync(directory) : [],
  };
  for (const pid of left.processes) process.kill(pid, "SIGKILL");
  if (left.mounts > 0) spawnSync("umount", ["-i", "-c", "-l", mountpoint]);
  daemons.length = 0;
  if (existsSync(mountpoint)) rmdirSync(mountpoint);
  rmSync(home, { recursive: true });
  expect(left).toEqual({ processes: [], mounts: 0, state: [] });
});

function payload(changes: Partial<MemoryDaemonPayload> = {}): MemoryDaemonPayload {
  return { backend: "kernel", mountpoint, directory, secret: SECRET, behaviour: "serve", ...changes };
}

function remember(pid: number): ProcessIdentity {
  const identity = processIdentity(pid);
  if (identity === undefined) throw new Error(`no process ${pid}`);
  daemons.push(identity);
  return identity;
}

async function start(
  changes: Partial<MemoryDaemonPayload> = {},
): Promise<{ pid: number; identity: ProcessIdentity; state: SessionState }> {
  const daemon = await spawnDaemon({ entry, payload: payload(changes), timeoutMs: 20_000 });
  return { pid: daemon.pid, identity: remember(daemon.pid), state: daemon.session as SessionState };
}

const gone = (identity: ProcessIdentity): Promise<void> =>
  expect.poll(() => processState(identity), { timeout: 10_000 }).toBe("gone");

/** Holds a file of the mount open while `use` runs. */
async function whileOpen(use: () => Promise<void>): Promise<void> {
  const fd = openSync(join(mountpoint, "hello.txt"), "r");
  try {
    await use();
  } finally {
    try {
      closeSync(fd);
    } catch {
      // Its file system is gone.
    }
  }
}

const lack = noMounts("kernel");
if (lack !== undefined) console.warn(`SKIPPED: daemons: ${lack}`);

describe.skipIf(lack !== undefined)("a daemon", () => {
  test("has its mount ready when its command returns, and shows no secret and holds no descriptor", async () => {
    const { pid, identity, state } = await start();
    expect(readFileSync(join(mountpoint, "hello.txt"))).toHaveLength(13);
    expect(state).toMatchObject({
      mountpoint,
      backend: "kernel",
      process: identity,
      device: mountAt(mountpoint)?.device,
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
    const sessions = await listSessions({ directory });
    const mine = sessions.find((session) => session.mountpoint === mountpoint);
    expect(mine?.status).toBe("ready");
    expect(mine === undefined ? undefined : sessionReport(mine)).toMatchObject({
      mountpoint,
      pid,
      state: "ready",
      backend: "kernel",
    });
    await unmountAt(mountpoint, { directory });
    // Nothing is waited for after an unmount: all is gone when it returns.
    expect([processState(identity), mountAt(mountpoint), readdirSync(directory)]).toEqual(["gone", undefined, []]);
  });

  test("keeps none of a script's descriptors, and outlives the command that started it", async () => {
    const lock = join(home, "lock");
    const program = join(PROGRAMS, "start-daemon.js");
    const script = `exec 9>"$1" 200>"$1"; "$2" "$3" "$4" end`;
    const run = spawnSync("bash", ["-c", script, "bash", lock, process.execPath, program, JSON.stringify(payload())], {
      encoding: "utf8",
    });
    const pid = Number(/"pid":([0-9]+)/.exec(run.stdout)?.[1]);
    expect(run.stdout).toContain('{"notice":"about to serve"}');
    const identity = remember(pid);
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return "";
      }
    });
    expect(open).not.toContain(lock);
    expect(readdirSync(join(mountpoint, "many"))).toHaveLength(3);
    process.kill(pid, "SIGHUP");
    expect(readdirSync(join(mountpoint, "many"))).toHaveLength(3);
    process.kill(pid, "SIGTERM");
    await gone(identity);
  });

  test("outlives its command being killed after it was ready, and does not when it was not", async () => {
    const program = join(PROGRAMS, "start-daemon.js");
    for (const behaviour of ["serve", "slow"] as const) {
      const command = spawn(process.execPath, [program, JSON.stringify(payload({ behaviour })), "wait"]);
      const [said] = (await once(command.stdout, "data")) as [Buffer];
      let text = said.toString();
      const children = readFileSync(`/proc/${command.pid}/task/${command.pid}/children`, "utf8").trim().split(" ");
      const identity = remember(Number(children[0]));
      if (behaviour === "serve") {
        for await (const chunk of command.stdout) {
          text += String(chunk);
          if (text.includes("pid")) break;
        }
      }
      command.kill("SIGKILL");
      await once(command, "exit");
      if (behaviour === "serve") {
        expect(readFileSync(join(mountpoint, "hello.txt"))).toHaveLength(13);
        process.kill(identity.pid, "SIGTERM");
      }
      await gone(identity);
      expect(mountAt(mountpoint)).toBe(undefined);
    }
  });

  test("hands over its error, its death, and a time limit, and leaves nothing", async () => {
    const spawned = (behaviour: MemoryDaemonPayload["behaviour"], timeoutMs = 20_000): Promise<unknown> =>
      spawnDaemon({ entry, payload: payload({ behaviour }), timeoutMs });
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
    await expect(start({ mountpoint: join(home, "none") })).rejects.toMatchObject({ code: "not-found" });
    expect(readSessionStates(directory)).toEqual([]);
  });

  test("is called off by its command's signal at any moment", async () => {
    const early = spawnDaemon({ entry, payload: payload(), timeoutMs: 20_000, signal: AbortSignal.abort() });
    await expect(early).rejects.toMatchObject({ code: "aborted" });
    for (const delay of [5, 150, 400]) {
      const signal = AbortSignal.timeout(delay);
      const called = spawnDaemon({ entry, payload: payload({ behaviour: "slow" }), timeoutMs: 20_000, signal });
      await expect(called).rejects.toMatchObject({ code: "aborted" });
    }
    const controller = new AbortController();
    const late = spawnDaemon({
      entry,
      payload: payload(),
      timeoutMs: 20_000,
      signal: controller.signal,
      onNotice: () => controller.abort(),
    });
    await expect(late).rejects.toMatchObject({ code: "aborted" });
    expect(mountAt(mountpoint)).toBe(undefined);
  });

  test("ends with its mount after a bug", async () => {
    const { identity } = await start({ behaviour: "bug" });
    await gone(identity);
    expect(mountAt(mountpoint)).toBe(undefined);
  });

  test("takes a private mountpoint with it", async () => {
    const own = makePrivateMountpoint();
    const { identity } = await start({ mountpoint: own, isPrivate: true });
    expect(spawnSync("umount", [own]).status).toBe(0);
    await gone(identity);
    expect(existsSync(own)).toBe(false);
  });

  test("leaves a private mountpoint when it is killed, which is cleaned once the mount is gone", async () => {
    const own = makePrivateMountpoint();
    const { pid, identity } = await start({ mountpoint: own, isPrivate: true });
    process.kill(pid, "SIGKILL");
    await gone(identity);
    cleanStale(directory);
    expect(mountAt(own)?.type).toBe("fuse.riffle");
    spawnSync("umount", ["-l", own]);
    cleanStale(directory);
    expect([existsSync(own), readdirSync(directory)]).toEqual([false, []]);
  });

  test("refuses a second mount at the same place without hanging", async () => {
    await start();
    await expect(start()).rejects.toMatchObject({ code: "exists" });
    await unmountAt(mountpoint, { directory });
  });

  test("is not found where riffle mounted nothing", async () => {
    await expect(unmountAt(mountpoint, { directory })).rejects.toMatchObject({ code: "not-found" });
    await expect(unmountAt("/proc", { directory })).rejects.toMatchObject({ code: "not-found" });
  });
});

describe.each(BACKENDS)("a daemon of the %s backend", (backend) => {
  const missing = noMounts(backend);
  if (missing !== undefined) console.warn(`SKIPPED: daemons of ${backend}: ${missing}`);
  const mounted = test.skipIf(missing !== undefined);
  const only = async (): Promise<Awaited<ReturnType<typeof listSessions>>> =>
    (await listSessions({ directory })).filter((session) => session.mountpoint === mountpoint);

  mounted.each([["umount"], ["fusermount3", "-u"], ["umount", "-l"]])(
    "ends when it is unmounted by %s %s",
    async (program, ...flags) => {
      const { identity } = await start({ backend });
      expect(spawnSync(program, [...flags.filter((flag) => flag !== undefined), mountpoint]).status).toBe(0);
      await gone(identity);
    },
  );

  mounted("unmounts on SIGTERM and SIGINT", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const { pid, identity } = await start({ backend });
      process.kill(pid, signal);
      await gone(identity);
      expect(mountAt(mountpoint)).toBe(undefined);
    }
  });

  mounted("stays on SIGTERM while it is in use, and goes on the second", async () => {
    const { pid, identity } = await start({ backend });
    await whileOpen(async () => {
      process.kill(pid, "SIGTERM");
      await expect(unmountAt(mountpoint, { directory })).rejects.toMatchObject({
        code: "exists",
        message: expect.stringContaining(`in use by process ${process.pid}`) as string,
        hint: expect.stringContaining("--lazy") as string,
      });
      expect(readdirSync(join(mountpoint, "many"))).toHaveLength(3);
      process.kill(pid, "SIGTERM");
      await gone(identity);
      expect(mountAt(mountpoint)).toBe(undefined);
    });
  });

  mounted("is detached lazily and ends when its last file is closed", async () => {
    const { identity } = await start({ backend });
    await whileOpen(async () => {
      await unmountAt(mountpoint, { directory, lazy: true });
      expect(mountAt(mountpoint)).toBe(undefined);
      expect(processState(identity)).toBe("running");
    });
    await gone(identity);
  });

  mounted("is dead after kill -9: listed so, and unmounted, also without its state file", async () => {
    for (const keepState of [true, false]) {
      const { pid, identity, state } = await start({ backend });
      process.kill(pid, "SIGKILL");
      await gone(identity);
      if (!keepState) rmSync(directory, { recursive: true });
      cleanStale(directory);
      const [session] = await only();
      expect(session).toMatchObject({ status: "dead", mountpoint, device: state.device });
      expect(session === undefined ? undefined : sessionReport(session)).toMatchObject({ state: "dead", mountpoint });
      await unmountAt(`${mountpoint}/`, { directory });
      expect([mountAt(mountpoint), await only()]).toEqual([undefined, []]);
    }
  });

  mounted("is hung when it is stopped: listed so in time, and taken by force", async () => {
    const before = readMounts().filter((mount) => mount.type === "fusectl").length;
    const { pid, identity } = await start({ backend });
    process.kill(pid, "SIGSTOP");
    // Somebody waits for it, uninterruptibly as far as a tool could see.
    const reader = spawn("cat", [join(mountpoint, "hello.txt")], { stdio: "ignore" });
    const exit = once(reader, "exit");
    const [session] = await only();
    expect(session).toMatchObject({ status: "hung" });
    await unmountAt(mountpoint, { directory });
    expect((await exit)[0]).toBe(1);
    expect([processState(identity), mountAt(mountpoint), await only()]).toEqual(["gone", undefined, []]);
    expect(readMounts().filter((mount) => mount.type === "fusectl").length).toBe(before);
  });

  mounted("is not mistaken for dead from another state directory", async () => {
    await start({ backend });
    const other = join(home, "other");
    expect((await listSessions({ directory: other })).filter((session) => session.mountpoint === mountpoint)).toEqual(
      [],
    );
    await unmountAt(mountpoint, { directory });
  });
});
