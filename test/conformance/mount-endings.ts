import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, lstatSync, openSync, readFileSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mountAt } from "../../src/mount/proc-mounts.ts";
import { expectBytes } from "../support/expect-bytes.ts";
import { mountInChild, type MountedChild } from "../support/mounted-child.ts";
import { pattern, SOURCE } from "../support/served-memory.ts";
import type { MountConformance } from "./mount.ts";

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ENOTCONN");
  }
}

/** Every way in which a mount ends, none of which leaves anything. */
export function mountEndings(options: MountConformance, lack: string | undefined): void {
  describe.skipIf(lack !== undefined)(`the end of a mount by the ${options.backend} backend`, () => {
    const withMount = async (use: (mount: MountedChild) => Promise<void>, more = {}): Promise<void> => {
      const mount = await mountInChild({ backend: options.backend, many: 3, ...more });
      try {
        await use(mount);
      } finally {
        await mount.stop();
      }
      expect([existsSync(mount.mountpoint), mountAt(mount.mountpoint)]).toEqual([false, undefined]);
    };

    test("comes on our word", () =>
      withMount(async (mount) => {
        expect(await mount.command({ unmount: { lazy: false } })).toEqual({ done: "unmount" });
        expect(await mount.ended).toBe("unmounted");
      }));

    test("is refused while a file is open, and a lazy one waits for it", () =>
      withMount(async (mount) => {
        const fd = openSync(join(mount.mountpoint, "big.bin"), "r");
        try {
          expect(await mount.command({ unmount: { lazy: false } })).toMatchObject({ code: "exists" });
          expect(readdirSync(join(mount.mountpoint, "many"))).toHaveLength(3);
          expect(await mount.command({ unmount: { lazy: true } })).toEqual({ done: "unmount" });
          expect(readdirSync(mount.mountpoint)).toEqual([]);
          const bytes = Buffer.alloc(100);
          readSync(fd, bytes, 0, 100, 5_000_000);
          expectBytes(bytes, pattern(SOURCE.big, 5_000_000, 5_000_100));
        } finally {
          closeSync(fd);
        }
        expect(await mount.ended).toBe("unmounted");
      }));

    test("cuts off open files on close", () =>
      withMount(async (mount) => {
        const fd = openSync(join(mount.mountpoint, "big.bin"), "r");
        try {
          expect(await mount.command({ close: true })).toEqual({ done: "close" });
          expect(() => readSync(fd, Buffer.alloc(10), 0, 10, 9_000_000)).toThrow();
        } finally {
          // What is left of a file whose file system is gone may complain once more.
          closeQuietly(fd);
        }
        expect(await mount.ended).toBe("unmounted");
      }));

    test.each([["umount"], ["fusermount3", "-u"]])("is noticed when it comes from outside: %s", (program, ...args) =>
      withMount(async (mount) => {
        expect(spawnSync(program, [...args, mount.mountpoint]).status).toBe(0);
        expect(await mount.ended).toBe("detached");
      }),
    );

    test("frees a reader that waits", () =>
      withMount(async (mount) => {
        await mount.command({ set: { waiting: true } });
        const before = Number((await mount.command({ ask: "state" }))["reads"]);
        const reader = spawn("cat", [join(mount.mountpoint, "waiting.bin")], { stdio: "ignore" });
        const exit = once(reader, "exit");
        await expect.poll(async () => Number((await mount.command({ ask: "state" }))["reads"])).toBeGreaterThan(before);
        expect(await mount.command({ close: true })).toEqual({ done: "close" });
        expect((await exit)[0]).toBe(1);
      }));

    test("comes with its umask and page cache choices obeyed until then", async () => {
      await withMount(
        async (mount) => {
          expect(lstatSync(join(mount.mountpoint, "owned")).mode & 0o777).toBe(0o750);
          expectBytes(readFileSync(join(mount.mountpoint, "kept.bin")), pattern(SOURCE.big, 0, 1_000_000));
        },
        { umask: 0o027, pageCache: "never" },
      );
      await withMount(
        async (mount) => {
          await mount.command({ set: { live: "x" } });
          expect(readFileSync(join(mount.mountpoint, ".oci/stats.json"), "utf8")).toBe("x");
          await mount.command({ set: { live: "y" } });
          expect(readFileSync(join(mount.mountpoint, ".oci/stats.json"), "utf8")).toBe("y");
          expectBytes(readFileSync(join(mount.mountpoint, "kept.bin")), pattern(SOURCE.big, 0, 1_000_000));
        },
        { pageCache: "always" },
      );
    });
  });
}
