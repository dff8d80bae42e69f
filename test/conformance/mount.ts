import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mountAt } from "../../src/mount/proc-mounts.ts";
import { mountInChild, noMounts, type MountedChild } from "../support/mounted-child.ts";
import { hasPython, python } from "../support/python.ts";
import { expectBytes } from "../support/expect-bytes.ts";
import type { TestedBackend } from "../support/programs/compiled.ts";
import { mountCalls } from "./mount-calls.ts";
import { mountEndings } from "./mount-endings.ts";
import {
  BIG_BYTES,
  DEEP,
  LARGE_BYTES,
  LONG_NAME,
  MANY,
  MTIME,
  ODD_BYTES,
  ODD_NAMES,
  pattern,
  SOURCE,
} from "../support/served-memory.ts";

export interface MountConformance {
  readonly backend: TestedBackend;
  /** Whether a signal ends a read that waits (libfuse 2 does not tell us of it). */
  readonly interrupts: boolean;
  /** Whether names that are not UTF-8 keep their bytes. */
  readonly rawNames: boolean;
}

const PYTHON = hasPython();

/** INTERFACE section 3, rules 4 to 8, on a real mount. */
export function mountConformance(options: MountConformance): void {
  const lack = noMounts(options.backend);
  if (lack !== undefined) console.warn(`SKIPPED: mount conformance of ${options.backend}: ${lack}`);
  if (!PYTHON) console.warn("SKIPPED: mount conformance of mmap, O_DIRECT, xattrs, flock: no python3");
  const calls = test.skipIf(!PYTHON);

  describe.skipIf(lack !== undefined)(`a mount by the ${options.backend} backend${lack ? ` (${lack})` : ""}`, () => {
    let mount: MountedChild;
    let root = "";
    const at = (name: string): string => join(root, name);
    beforeAll(async () => {
      mount = await mountInChild({ backend: options.backend });
      root = mount.mountpoint;
    });
    afterAll(async () => {
      await mount?.stop();
      expect(existsSync(root)).toBe(false);
    });

    test("shows its type, its pinned reference and safe options in the mount table", () => {
      const entry = mountAt(root);
      expect(entry).toMatchObject({ type: "fuse.riffle", source: "localhost:5000/eo/memory@sha256:aa" });
      expect(entry?.options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev"]));
    });

    test("gives modes, owners, sizes, blocks and times of every kind of file", () => {
      expect(lstatSync(root)).toMatchObject({ mode: 0o40555, uid: 77, gid: 88, ino: 1 });
      expect(lstatSync(at("hello.txt"))).toMatchObject({
        mode: 0o100444,
        uid: 77,
        gid: 88,
        size: 13,
        blocks: 1,
        mtimeMs: MTIME * 1000,
      });
      expect(lstatSync(at("owned"))).toMatchObject({ mode: 0o100755, uid: 1234, gid: 4321, mtimeMs: 12_000 });
      expect(lstatSync(at("empty"))).toMatchObject({ size: 0, blocks: 0 });
      expect(lstatSync(at("big.bin")).blocks).toBe(Math.ceil(BIG_BYTES / 512));
      expect(lstatSync(at("large.bin")).size).toBe(LARGE_BYTES);
      expect(lstatSync(at("link"))).toMatchObject({ mode: 0o120777, size: 9 });
      expect(lstatSync(at("void"))).toMatchObject({ mode: 0o40555, mtimeMs: MTIME * 1000 });
    });

    test("gives inode numbers that are distinct, stay, and that hard links share", () => {
      const names = readdirSync(root);
      const inodes = names.map((name) => lstatSync(at(name)).ino);
      expect(new Set(inodes).size).toBe(names.length);
      expect(names.map((name) => lstatSync(at(name)).ino)).toEqual(inodes);
      expect(lstatSync(at("dir/hard2"))).toMatchObject({ ino: lstatSync(at("hard1")).ino, nlink: 2 });
    });

    calls("lists each name once with its type and inode, and neither .oci nor what was filtered", () => {
      const seen = python(
        root,
        "print(json.dumps([[e.name, e.inode(), e.is_dir(follow_symlinks=False), e.is_symlink()] for e in os.scandir(root)]))",
      ) as [string, number, boolean, boolean][];
      const names = seen.map(([name]) => name);
      expect(names).not.toContain(".oci");
      expect(names).not.toContain("filtered.txt");
      expect(names.toSorted()).toEqual(readdirSync(root).toSorted());
      expect(new Set(names).size).toBe(names.length);
      for (const [name, inode, isDirectory, isLink] of seen) {
        const stat = lstatSync(at(name));
        expect([name, inode, isDirectory, isLink]).toEqual([name, stat.ino, stat.isDirectory(), stat.isSymbolicLink()]);
      }
      expect(readdirSync(at("void"))).toEqual([]);
    });

    test("lists a large directory whole, over and over", () => {
      const names = readdirSync(at("many"));
      expect(names).toHaveLength(MANY);
      expect(new Set(names)).toEqual(new Set(Array.from({ length: MANY }, (_, number) => `f${number}`)));
      expect(readdirSync(at("many"))).toEqual(names);
    });

    test("opens .oci by name, and nothing that was filtered", () => {
      expect(readFileSync(at(".oci/manifest.json"))).toHaveLength(100);
      expect(readdirSync(at(".oci")).toSorted()).toEqual(["layers", "manifest.json", "stats.json"]);
      expect(lstatSync(at(".oci/layers/sha256-aa")).size).toBe(50);
      expect(() => lstatSync(at("filtered.txt"))).toThrow(/ENOENT/);
    });

    test("finds odd, deep and long names, and answers ENOENT, ENOTDIR and ENAMETOOLONG", () => {
      expect(readdirSync(at("odd")).toSorted()).toEqual([...ODD_NAMES].toSorted());
      for (const name of ODD_NAMES) expect(readFileSync(at(`odd/${name}`))).toHaveLength(4);
      expect(readFileSync(at(`${DEEP}/end`))).toHaveLength(7);
      expect(readFileSync(at(LONG_NAME))).toHaveLength(3);
      expect(() => lstatSync(at("no such"))).toThrow(/ENOENT/);
      expect(() => lstatSync(at("no such"))).toThrow(/ENOENT/);
      expect(() => lstatSync(at("hello.txt/x"))).toThrow(/ENOTDIR/);
      expect(() => lstatSync(at("x".repeat(256)))).toThrow(/ENAMETOOLONG/);
    });

    test.skipIf(!options.rawNames)("keeps the bytes of names that are not UTF-8", () => {
      const [name] = readdirSync(at("raw"), { encoding: "buffer" });
      expect(Buffer.compare(name ?? Buffer.alloc(0), ODD_BYTES)).toBe(0);
      expect(readFileSync(Buffer.concat([Buffer.from(`${at("raw")}/`), ODD_BYTES]))).toHaveLength(4);
    });

    test("shows names that are not UTF-8 by a name that opens them", () => {
      const [name] = readdirSync(at("raw"), { encoding: "buffer" });
      const path = Buffer.concat([Buffer.from(`${at("raw")}/`), name ?? Buffer.alloc(0)]);
      expectBytes(readFileSync(path), pattern(SOURCE.plain, 0, 4));
    });

    test("gives symbolic links' texts and follows them", () => {
      expect(readlinkSync(at("link"))).toBe("hello.txt");
      expect(statSync(at("link")).ino).toBe(statSync(at("hello.txt")).ino);
      expect(readlinkSync(at("dangling"))).toBe("no/where");
      expect(() => statSync(at("dangling"))).toThrow(/ENOENT/);
    });

    test("gives every byte at its place, at the end, past it, and in a file of 5 TiB", () => {
      expectBytes(readFileSync(at("hello.txt")), pattern(SOURCE.described, 0, 13));
      const fd = openSync(at("big.bin"), "r");
      const far = openSync(at("large.bin"), "r");
      const read = (from: number, position: number, length: number): Buffer => {
        const bytes = Buffer.alloc(length);
        return bytes.subarray(0, readSync(from, bytes, 0, length, position));
      };
      try {
        for (const [position, length] of [
          [0, 1],
          [4095, 2],
          [1_048_575, 70_000],
          [BIG_BYTES - 3, 3],
        ] as const) {
          expectBytes(read(fd, position, length), pattern(SOURCE.big, position, position + length));
        }
        expect(read(fd, BIG_BYTES - 3, 100)).toHaveLength(3);
        expect(read(fd, BIG_BYTES + 10, 100)).toHaveLength(0);
        const start = LARGE_BYTES - 1000;
        expectBytes(read(far, start, 2000), pattern(SOURCE.plain, start, LARGE_BYTES));
      } finally {
        closeSync(fd);
        closeSync(far);
      }
    });

    test("gives the same bytes to a copy of the whole tree", () => {
      const copy = mkdtempSync(join(tmpdir(), "riffle-copy-"));
      try {
        const tree = spawnSync(
          "sh",
          [
            "-c",
            `cp -r --no-preserve=mode "$1"/dir "$1"/odd "$1"/void "$1"/link "$1"/kept.bin "$2" && diff -r "$1"/odd "$2"/odd && diff -r "$1"/dir "$2"/dir && cmp "$1"/kept.bin "$2"/kept.bin`,
            "sh",
            root,
            copy,
          ],
          { encoding: "utf8" },
        );
        expect(tree.stdout + tree.stderr).toBe("");
        expect(tree.status).toBe(0);
        expectBytes(readFileSync(join(copy, "kept.bin")), pattern(SOURCE.big, 0, 1_000_000));
      } finally {
        rmSync(copy, { recursive: true });
      }
    });

    test("serves 64 readers at once, and gives every file back", async () => {
      const readers = Array.from({ length: 64 }, async (_, number) => {
        const handle = await open(at("big.bin"), "r");
        try {
          for (let turn = 0; turn < 6; turn += 1) {
            const position = (number * 397_331 + turn * 3_999_971) % (BIG_BYTES - 200_000);
            const { buffer } = await handle.read(Buffer.alloc(150_000), 0, 150_000, position);
            if (Buffer.compare(buffer, pattern(SOURCE.big, position, position + 150_000)) !== 0)
              return `wrong at ${position}`;
          }
          return "right";
        } finally {
          await handle.close();
        }
      });
      expect(new Set(await Promise.all(readers))).toEqual(new Set(["right"]));
      // RELEASE comes after close has returned.
      await expect.poll(async () => (await mount.command({ ask: "state" }))["openFiles"]).toBe(0);
    });

    test("serves 64 reading processes at once", async () => {
      const script = `for i in 1 2 3; do dd if="$1"/big.bin bs=64k skip=$2 count=8 status=none; done | cksum`;
      const sums = await Promise.all(
        Array.from({ length: 64 }, async (_, number) => {
          const child = spawn("sh", ["-c", script, "sh", root, String(number % 4)], {
            stdio: ["ignore", "pipe", "ignore"],
          });
          let text = "";
          child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
          await once(child, "close");
          return `${number % 4}: ${text}`;
        }),
      );
      expect(new Set(sums).size).toBe(4);
    });

    test("shows the present size and content of live files at each look", async () => {
      for (const live of ["one", "a longer second state", "3", ""]) {
        await mount.command({ set: { live } });
        expect(readFileSync(at(".oci/stats.json"), "utf8")).toBe(live);
        expect(statSync(at(".oci/stats.json")).size).toBe(live.length);
      }
    });

    mountCalls(options.backend, () => mount);

    test("gives statfs the tree's size and no free space", () => {
      const stat = statfsSync(root);
      expect(stat.bsize * stat.blocks).toBeGreaterThanOrEqual(LARGE_BYTES);
      expect([stat.bfree, stat.bavail, stat.ffree]).toEqual([0, 0, 0]);
      expect(stat.files).toBeGreaterThan(MANY);
    });

    test("answers EIO where content cannot be had, and gives it once it can", async () => {
      await mount.command({ set: { failing: true } });
      expect(() => readFileSync(at("failing.bin"))).toThrow(/EIO/);
      expect(readFileSync(at("hello.txt"))).toHaveLength(13);
      await mount.command({ set: { failing: false } });
      expectBytes(readFileSync(at("failing.bin")), pattern(SOURCE.failing, 0, 300_000));
    });

    test.skipIf(!options.interrupts)("lets a signal end a reader that waits", async () => {
      await mount.command({ set: { waiting: true } });
      const before = Number((await mount.command({ ask: "state" }))["reads"]);
      const reader = spawn("cat", [at("waiting.bin")], { stdio: ["ignore", "ignore", "ignore"] });
      const exit = once(reader, "exit");
      await expect.poll(async () => Number((await mount.command({ ask: "state" }))["reads"])).toBeGreaterThan(before);
      reader.kill("SIGINT");
      expect((await exit)[1]).toBe("SIGINT");
      await mount.command({ set: { waiting: false } });
      expect(readFileSync(at("waiting.bin"))).toHaveLength(300_000);
    });
  });

  mountEndings(options, lack);
}
