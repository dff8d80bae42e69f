import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import { CAN_MOUNT, mounted, run, startMount, type MountProcess, type StartOptions } from "../support/mounted.ts";
import { patternBytes } from "../support/pattern.ts";

const ENTRIES = [
  { path: "a.bin", kind: "file", size: 300_000, source: 0 },
  { path: "stall.bin", kind: "file", size: 8192 },
] as const;

describe.skipIf(!CAN_MOUNT)("the life of a kernel mount (needs root, /dev/fuse and a build)", () => {
  let folder: string;
  let started: MountProcess[] = [];
  const start = async (options: StartOptions = {}): Promise<MountProcess> => {
    const mount = await mounted({ entries: ENTRIES, ...options });
    started.push(mount);
    return mount;
  };
  /** The error of a mount that must fail. */
  const refusal = async (options: StartOptions): Promise<{ code: string; message: string; hint?: string }> => {
    const mount = startMount({ entries: ENTRIES, ...options });
    started.push(mount);
    return (await mount.said("error"))["error"] as { code: string; message: string; hint?: string };
  };
  const isMounted = (mount: MountProcess): boolean =>
    readMounts().some((entry) => entry.mountpoint === mount.mountpoint);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "riffle-life-"));
  });
  afterEach(async () => {
    await Promise.all(started.map((mount) => mount.stop()));
    started = [];
    rmSync(folder, { recursive: true, force: true });
  });

  test("unmount ends every thread and says so once", async () => {
    const mount = await start();
    expect(isMounted(mount)).toBe(true);
    expect(await mount.command("unmount")).toEqual({ done: "unmount" });
    expect(isMounted(mount)).toBe(false);
    expect(await mount.command("unmount")).toEqual({ done: "unmount" });
    expect(mount.lines.filter((line) => line["ended"] !== undefined)).toEqual([{ ended: "unmounted" }]);
  });

  test("a busy mount is not unmounted; a lazy unmount lets programs finish", async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, "a.bin"));
    expect(await mount.command("unmount")).toMatchObject({ error: { code: "exists" } });
    expect(isMounted(mount)).toBe(true);
    expect(await mount.command("lazy")).toEqual({ done: "lazy" });
    expect(isMounted(mount)).toBe(false);
    expect((await file.read(Buffer.alloc(10), 0, 10, 0)).bytesRead).toBe(10);
    await file.close();
    expect(await mount.said("ended")).toEqual({ ended: "unmounted" });
  });

  test("close ends a busy mount: open files fail, waiting reads too", async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, "a.bin"));
    const stalled = await open(join(mount.mountpoint, "stall.bin"));
    const waiting = stalled.read(Buffer.alloc(10), 0, 10, 0).then(
      () => "read",
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(await mount.command("close")).toEqual({ done: "close" });
    expect(["ECONNABORTED", "EIO", "ENOTCONN", "EINTR"]).toContain(await waiting);
    await expect(file.read(Buffer.alloc(10), 0, 10, 4096)).rejects.toThrow();
    // The last close of each tells the server, which is gone.
    await Promise.allSettled([file.close(), stalled.close()]);
    expect(isMounted(mount)).toBe(false);
  });

  test.each([
    ["umount", (path: string) => ["umount", path]],
    ["fusermount3 -u", (path: string) => ["fusermount3", "-u", path]],
    ["umount -l", (path: string) => ["umount", "-l", path]],
    ["umount -f", (path: string) => ["umount", "-f", path]],
  ])("somebody else's %s ends it", async (_name, command) => {
    const mount = await start();
    expect(await readFile(join(mount.mountpoint, "a.bin"))).toHaveLength(300_000);
    const [file = "", ...args] = command(mount.mountpoint);
    expect((await run(file, args)).stderr).toBe("");
    expect(await mount.said("ended")).toEqual({ ended: "detached" });
    expect(isMounted(mount)).toBe(false);
  });

  test("somebody else's force on a busy mount ends it, and it does not stay behind dead", async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, "a.bin"));
    await run("umount", ["-f", mount.mountpoint]);
    expect(await mount.said("ended")).toEqual({ ended: "detached" });
    expect(isMounted(mount)).toBe(false);
    await Promise.allSettled([file.close()]);
  });

  test("a killed server leaves a dead mount that others see as such, and that can be unmounted", async () => {
    const mount = await start();
    mount.child.kill("SIGKILL");
    await new Promise((resolve) => mount.child.once("close", resolve));
    await expect(stat(mount.mountpoint)).rejects.toMatchObject({ code: "ENOTCONN" });
    expect(await refusal({ mountpoint: mount.mountpoint, folder })).toMatchObject({ code: "exists" });
    expect((await run("umount", ["-i", mount.mountpoint])).status).toBe(0);
  });

  test("mounts one after the other in one process leave no descriptor and no thread behind", async () => {
    const mount = startMount({ entries: ENTRIES, argument: "cycle20" });
    started.push(mount);
    const { before, after } = await mount.said("after");
    expect(after).toEqual(before);
  }, 60_000);

  test("threads that cannot start leave no mount", async () => {
    const cache = { directory: join(folder, "cache"), sources: [] };
    const mountpoint = join(folder, "mountpoint");
    mkdirSync(mountpoint);
    const error = await refusal({
      mountpoint,
      folder: mkdtempSync(join(tmpdir(), "riffle-spare-")),
      cache,
      slotBytes: 3,
    });
    expect(error).toMatchObject({ code: "internal", message: "the threads of a mount do not start" });
    expect(readMounts().some((entry) => entry.mountpoint === mountpoint)).toBe(false);
  });

  test("what cannot be a mountpoint is refused by name", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    symlinkSync("loop", join(folder, "loop"));
    expect(await refusal({ mountpoint: join(folder, "none") })).toMatchObject({
      code: "not-found",
      message: `mountpoint ${join(folder, "none")} does not exist`,
    });
    expect(await refusal({ mountpoint: file })).toMatchObject({ code: "usage" });
    expect(await refusal({ mountpoint: join(folder, "loop") })).toMatchObject({ code: "usage" });
    const mount = await start();
    const again = await refusal({ mountpoint: mount.mountpoint, folder });
    expect(again).toMatchObject({ code: "exists", hint: `riffle unmount ${mount.mountpoint}` });
    expect(await refusal({ mountpoint: join(mount.mountpoint, "a.bin"), folder })).toMatchObject({ code: "exists" });
  });

  test("a mountpoint behind a symbolic link is mounted where it really lies", async () => {
    mkdirSync(join(folder, "real"));
    symlinkSync("real", join(folder, "link"));
    await start({ mountpoint: join(folder, "link"), folder: mkdtempSync(join(tmpdir(), "riffle-spare-")) });
    expect(readMounts().some((entry) => entry.mountpoint === join(folder, "real"))).toBe(true);
    expect(await readFile(join(folder, "link/a.bin"))).toHaveLength(300_000);
  });

  test("a device that is missing, no FUSE device, or not for this user", async () => {
    const missing = join(folder, "none");
    expect(await refusal({ device: missing })).toMatchObject({ code: "machine", message: `${missing} does not exist` });
    const device = join(folder, "fuse");
    expect(spawnSync("mknod", [device, "c", "10", "229"]).status).toBe(0);
    chmodSync(device, 0o600);
    chmodSync(folder, 0o755);
    expect(await refusal({ device, user: 65_534 })).toMatchObject({
      code: "permission",
      message: `${device} has mode 0600, and this user may not open it`,
    });
  });

  test("other users are kept out unless they are let in", async () => {
    const look = (path: string): Promise<{ status: number | null }> =>
      run("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "ls", path]);
    const closed = await start();
    chmodSync(tmpdir(), 0o1777);
    expect((await look(closed.mountpoint)).status).not.toBe(0);
    const opened = await start({ allowOther: true });
    expect((await look(opened.mountpoint)).status).toBe(0);
  });

  test("a whole, proven file is read by the kernel alone; what an inode has, later opens get", async () => {
    const backing = join(folder, "backing");
    writeFileSync(backing, patternBytes(7, 0, 300_000));
    const mount = await start({ grants: { "a.bin": "backed" }, backing });
    const path = join(mount.mountpoint, "a.bin");
    const first = await open(path);
    expect(Buffer.compare(await readFile(path), patternBytes(7, 0, 300_000))).toBe(0);
    const stats = await mount.stats();
    expect([stats.passthrough, stats.reads, stats.warm.reads, stats.opens]).toEqual([true, 0, 0, 2]);
    await first.close();
    expect(Buffer.compare(await readFile(path), patternBytes(7, 0, 300_000))).toBe(0);
    expect((await mount.stats()).reads).toBe(0);
  });

  test("--page-cache never: every open comes to us, whatever was granted", async () => {
    const backing = join(folder, "backing");
    writeFileSync(backing, patternBytes(7, 0, 300_000));
    const mount = await start({ grants: { "a.bin": "backed" }, backing, pageCache: "never" });
    const path = join(mount.mountpoint, "a.bin");
    await readFile(path);
    const { reads, passthrough } = await mount.stats();
    await readFile(path);
    expect((await mount.stats()).reads).toBe(reads * 2);
    expect(passthrough).toBe(false);
  });

  // Somebody else may empty the kernel's caches at any time.
  test("a file system that cannot back files gives a kept open instead", { retry: 2 }, async () => {
    // A file of procfs is no backing file to the kernel.
    const mount = await start({ grants: { "a.bin": "backed" }, backing: "/proc/self/status" });
    const path = join(mount.mountpoint, "a.bin");
    await readFile(path);
    const { reads, passthrough } = await mount.stats();
    expect([passthrough, reads > 0]).toEqual([false, true]);
    await readFile(path);
    expect((await mount.stats()).reads).toBe(reads);
  });

  test.skipIf(!existsSync("/usr/bin/fusermount3") || !existsSync("/usr/bin/setpriv"))(
    "a user without rights mounts through fusermount3 (needs it and setpriv)",
    async () => {
      // A device that everybody may open, in place of this machine's, seen by the program alone.
      const device = join(folder, "fuse");
      spawnSync("mknod", [device, "c", "10", "229"]);
      chmodSync(device, 0o666);
      chmodSync(folder, 0o755);
      const mountpoint = join(folder, "a, b\\c");
      mkdirSync(mountpoint);
      spawnSync("chown", ["65534:65534", mountpoint]);
      const mount = await start({
        mountpoint,
        user: 65_534,
        source: "host:5000/a,b\\c d@sha256:00",
        wrap: ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /dev/fuse && exec "$@"', device],
      });
      const table = `/proc/${mount.child.pid}/mountinfo`;
      expect(readMounts(table).find((entry) => entry.mountpoint === mountpoint)).toMatchObject({
        type: "fuse.riffle",
        source: "host:5000/a,b\\c d@sha256:00",
      });
      const inside = [
        "-t",
        String(mount.child.pid),
        "-m",
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
      ];
      const read = await run("nsenter", [...inside, "cat", join(mountpoint, "a.bin")]);
      expect([read.stderr, read.stdout.length]).toEqual(["", 300_000]);
      expect(await mount.command("unmount")).toEqual({ done: "unmount" });
      expect(readMounts(table).some((entry) => entry.mountpoint === mountpoint)).toBe(false);
    },
  );
});
