import { chmod, lstat, mkdir, open, readdir, readFile, readlink, rename, stat, statfs, unlink } from "node:fs/promises";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { ROW_HIDDEN, ROW_LIVE } from "../../src/layers/tree.ts";
import { CAN_MOUNT, mounted, PYTHON, run, type MountProcess } from "../support/mounted.ts";
import { patternBytes } from "../support/pattern.ts";

const BIG = 5_000_001;
const ENTRIES: readonly TreeEntry[] = [
  { path: "big.bin", kind: "file", size: BIG, mtime: 1_700_000_000, source: 0 },
  { path: "dir/sub/small.bin", kind: "file", size: 10 },
  { path: "dir/empty", kind: "file", size: 0 },
  { path: "link", kind: "symlink", target: "dir/sub/small.bin" },
  { path: "one", kind: "file", size: 3, group: 1 },
  { path: "two", kind: "file", size: 3, group: 1 },
  { path: "broken.bin", kind: "file", size: 8192 },
  { path: "bug.bin", kind: "file", size: 8192 },
  { path: "short.bin", kind: "file", size: 8192 },
  { path: "stall.bin", kind: "file", size: 8192 },
  { path: "slow.bin", kind: "file", size: 400_000 },
  { path: "keep.bin", kind: "file", size: 100_000 },
  { path: "warm.bin", kind: "file", size: 3_000_000, source: 1 },
  { path: ".oci", kind: "directory", flags: ROW_HIDDEN },
  { path: ".oci/live.json", kind: "file", flags: ROW_LIVE },
  ...Array.from({ length: 2000 }, (_, i): TreeEntry => ({ path: `many/file-${i}`, kind: "file", size: i })),
];

describe.skipIf(!CAN_MOUNT)("a mount through the kernel backend (needs root, /dev/fuse and a build)", () => {
  let mount: MountProcess;
  let cacheDirectory: string;
  const at = (path: string): string => join(mount.mountpoint, path);
  /** Contents follow rows, which sorting gives: row numbers are inode numbers less one. */
  const seed = async (path: string): Promise<number> => (await stat(at(path))).ino - 1;

  beforeAll(async () => {
    cacheDirectory = mkdtempSync(join(tmpdir(), "riffle-warm-"));
    mount = await mounted({
      entries: ENTRIES,
      source: "host:5000/a b,c\\d@sha256:00",
      sources: 2,
      grants: { "keep.bin": "keep" },
      cache: { directory: cacheDirectory, sources: [1], marks: [1_048_576] },
    });
  });
  afterAll(async () => {
    await mount.stop();
    rmSync(cacheDirectory, { recursive: true, force: true });
  });

  test("the mount table shows type, source and options", async () => {
    const lines = (await readFile("/proc/mounts", "utf8")).split("\n").filter((line) => line.includes("fuse.riffle"));
    const line = lines.find((text) => text.includes("riffle\\040mount,\\040\\134-"));
    expect(line).toMatch(/^host:5000\/a\\040b,c\\134d@sha256:00 /);
    expect(line?.split(" ")[3]?.split(",")).toEqual(
      expect.arrayContaining(["ro", "nosuid", "nodev", "default_permissions"]),
    );
    expect(line).not.toContain("allow_other");
  });

  test("a sequential read gives every byte", async () => {
    expect(Buffer.compare(await readFile(at("big.bin")), patternBytes(await seed("big.bin"), 0, BIG))).toBe(0);
    expect(await readFile(at("dir/empty"))).toHaveLength(0);
    const { stdout } = await run("sha256sum", [at("big.bin")]);
    const whole = createHash("sha256")
      .update(patternBytes(await seed("big.bin"), 0, BIG))
      .digest("hex");
    expect(stdout).toContain(whole);
  });

  test("reads at any place and of any length, by many at once", async () => {
    const file = await open(at("big.bin"));
    const number = await seed("big.bin");
    const places = Array.from(
      { length: 200 },
      (_, i) => [(i * 48_271 * 97) % (BIG + 5000), (i * 7919) % 70_000] as const,
    );
    await Promise.all(
      places.map(async ([offset, length]) => {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
        const expected = patternBytes(number, Math.min(offset, BIG), Math.min(offset + length, BIG));
        expect(Buffer.compare(buffer.subarray(0, bytesRead), expected)).toBe(0);
      }),
    );
    await file.close();
  });

  test("O_DIRECT reads, aligned or not at the end", async () => {
    const { status, stdout } = await run("dd", [`if=${at("big.bin")}`, "bs=65536", "iflag=direct", "status=none"]);
    expect(status).toBe(0);
    expect(Buffer.from(stdout, "latin1").equals(Buffer.from(patternBytes(await seed("big.bin"), 0, BIG)))).toBe(true);
  });

  test.skipIf(!PYTHON)("mmap of a direct file, shared and private (needs python3)", async () => {
    const script = `
import mmap,sys
f=open(sys.argv[1],'rb')
for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
    m=mmap.mmap(f.fileno(),0,flags=flags,prot=mmap.PROT_READ)
    sys.stdout.buffer.write(m[4090:4110]); sys.stdout.buffer.write(m[-3:]); m.close()
`;
    const { stdout, stderr } = await run("python3", ["-c", script, at("big.bin")]);
    const number = await seed("big.bin");
    const once = [...patternBytes(number, 4090, 4110), ...patternBytes(number, BIG - 3, BIG)];
    expect(stderr).toBe("");
    expect([...Buffer.from(stdout, "latin1")]).toEqual([...once, ...once]);
  });

  test.skipIf(!PYTHON)("SEEK_DATA and SEEK_HOLE see one piece of data; flock works (needs python3)", async () => {
    const script = `
import os,sys,fcntl
fd=os.open(sys.argv[1],os.O_RDONLY)
print(os.lseek(fd,5,os.SEEK_DATA),os.lseek(fd,5,os.SEEK_HOLE))
try: os.lseek(fd,os.fstat(fd).st_size,os.SEEK_DATA)
except OSError as e: print(e.errno)
other=os.open(sys.argv[1],os.O_RDONLY)
fcntl.flock(fd,fcntl.LOCK_EX|fcntl.LOCK_NB)
try: fcntl.flock(other,fcntl.LOCK_EX|fcntl.LOCK_NB)
except OSError as e: print(e.errno)
print(os.sendfile(1,fd,0,0))
`;
    const { stdout, stderr } = await run("python3", ["-c", script, at("big.bin")]);
    expect([stderr, stdout.split("\n").slice(0, 4)]).toEqual(["", [`5 ${BIG}`, "6", "11", "0"]]);
  });

  test("attributes, links and listings", async () => {
    const big = await stat(at("big.bin"));
    expect([big.size, big.blocks, big.mode.toString(8), big.mtimeMs]).toEqual([
      BIG,
      Math.ceil(BIG / 512),
      "100444",
      1_700_000_000_000,
    ]);
    expect((await stat(at("."))).ino).toBe(1);
    expect(await readlink(at("link"))).toBe("dir/sub/small.bin");
    expect((await stat(at("link"))).size).toBe(10);
    expect((await stat(at("one"))).ino).toBe((await stat(at("two"))).ino);
    expect(await readdir(at("."))).not.toContain(".oci");
    expect(await readdir(at(".oci"))).toEqual(["live.json"]);
    expect((await readdir(at("many"))).sort()).toEqual(Array.from({ length: 2000 }, (_, i) => `file-${i}`).sort());
    const types = (await readdir(at("."), { withFileTypes: true })).map((entry) => [entry.name, entry.isFile()]);
    expect(types).toContainEqual(["big.bin", true]);
    const disk = await statfs(at("."));
    expect([disk.bfree, disk.bavail]).toEqual([0, 0]);
    expect(disk.blocks * disk.bsize).toBeGreaterThan(BIG);
  });

  test("a second walk asks nothing, nor does a second look for what is not there", { retry: 2 }, async () => {
    const walk = async (): Promise<void> => {
      // `find` asks for STATFS and `ls` for an access list in every pass, which no kernel remembers.
      for (const path of await readdir(mount.mountpoint, { recursive: true })) await lstat(at(path));
      await readlink(at("link"));
      await expect(stat(at("dir/none.aux.xml"))).rejects.toMatchObject({ code: "ENOENT" });
    };
    await walk();
    const before = (await mount.stats()).warm.requests;
    await walk();
    expect((await mount.stats()).warm.requests).toBe(before);
  });

  test("extended attributes, lasting and present", async () => {
    const { stdout } = await run("getfattr", ["-d", "--absolute-names", at("big.bin")]);
    expect(stdout.split("\n").filter((line) => line.includes("="))).toEqual([
      'user.oci.cached="0"',
      'user.oci.digest="sha256:00"',
      'user.oci.verified="transport"',
    ]);
    expect((await run("getfattr", ["-n", "user.none", at("big.bin")])).status).not.toBe(0);
  });

  test("writing of any kind is refused as on a read-only file system", async () => {
    for (const attempt of [
      () => open(at("big.bin"), "r+"),
      () => open(at("new"), "w"),
      () => open(at("big.bin"), "a"),
      () => unlink(at("one")),
      () => mkdir(at("made")),
      () => chmod(at("one"), 0o777),
      () => rename(at("one"), at("three")),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: "EROFS" });
    }
  });

  test.each(["broken.bin", "bug.bin", "short.bin"])("a failed read is EIO and never short: %s", async (name) => {
    await expect(readFile(at(name))).rejects.toMatchObject({ code: "EIO" });
    const logged = mount.lines.filter((line) => line["log"] === "warn").length;
    await expect(readFile(at(name))).rejects.toMatchObject({ code: "EIO" });
    expect(mount.lines.filter((line) => line["log"] === "warn").length).toBeGreaterThanOrEqual(logged);
    expect(await readFile(at("dir/sub/small.bin"))).toHaveLength(10);
  });

  test.skipIf(!PYTHON)("a signal ends a stalled read with EINTR and aborts it alone (needs python3)", async () => {
    const script = `
import os,signal,sys
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGALRM,stop)
fd=os.open(sys.argv[1],os.O_RDONLY)
signal.setitimer(signal.ITIMER_REAL,0.2)
try: os.read(fd,4096)
except Stop: print('interrupted')
`;
    const before = (await mount.stats()).aborted;
    const { stdout } = await run("python3", ["-c", script, at("stall.bin")]);
    expect(stdout).toBe("interrupted\n");
    expect((await mount.stats()).aborted).toBe(before + 1);
  });

  test("readers of slow bytes run beside each other, and fast ones pass them", async () => {
    const slow = Array.from({ length: 4 }, () => readFile(at("slow.bin")));
    expect(await readFile(at("dir/sub/small.bin"))).toHaveLength(10);
    const expected = patternBytes(await seed("slow.bin"), 0, 400_000);
    for (const bytes of await Promise.all(slow)) expect(Buffer.compare(bytes, expected)).toBe(0);
  });

  test("what changes is read as it was at the open, with its present size", async () => {
    expect((await run("cat", [at(".oci/live.json")])).stdout).toBe("change 0\n");
    const held = await open(at(".oci/live.json"));
    await mount.command("change");
    expect((await run("cat", [at(".oci/live.json")])).stdout).toBe("change 1\n");
    expect((await held.readFile()).toString()).toBe("change 0\n");
    await held.close();
  });

  // Somebody else may empty the kernel's caches at any time.
  test("a kept file is read once; its pages outlive the open", { retry: 2 }, async () => {
    await readFile(at("keep.bin"));
    const before = await mount.stats();
    expect(Buffer.compare(await readFile(at("keep.bin")), patternBytes(await seed("keep.bin"), 0, 100_000))).toBe(0);
    const after = await mount.stats();
    expect(after.reads).toBe(before.reads);
    expect(after.opens).toBe(before.opens + 1);
  });

  test("cached bytes never reach the main thread, but a passed mark does", async () => {
    const before = await mount.stats();
    const bytes = await readFile(at("warm.bin"));
    expect(Buffer.compare(bytes, patternBytes(await seed("warm.bin"), 0, 3_000_000))).toBe(0);
    const after = await mount.stats();
    expect(after.reads).toBe(before.reads);
    expect(after.warm.reads).toBeGreaterThan(before.warm.reads);
    expect(after.warm.bytesRead - before.warm.bytesRead).toBe(3_000_000);
    expect(after.warm.bytesProven - before.warm.bytesProven).toBe(3_000_000);
    const marks = after.touched.slice(before.touched.length);
    expect(marks).toHaveLength(1);
    expect(marks[0]).toMatch(/^warm\.bin /);
  });

  test("every open has its release", async () => {
    const held = await open(at("big.bin"));
    const before = await mount.stats();
    expect(before.opens - before.releases).toBe(1);
    await held.close();
    await expect.poll(async () => (await mount.stats()).opens - (await mount.stats()).releases).toBe(0);
  });
});
