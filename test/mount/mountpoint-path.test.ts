import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findMountpoint } from "../../src/mount/mountpoint-path.ts";
import { resolveMountpoint } from "../../src/mount/mountpoint.ts";
import { riffleMountAt, riffleMounts } from "../../src/mount/riffle-mounts.ts";
import { makePrivateMountpoint, removePrivateMountpoint } from "../../src/mount/private-mount.ts";
import { parseMountInfo } from "../../src/mount/proc-mounts.ts";

let directory = "";
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "riffle-path-")));
});
afterEach(() => rmSync(directory, { recursive: true }));

const mount = (mountpoint: string): Parameters<typeof findMountpoint>[1] => [
  { device: "0:1", mountpoint, source: "s", uid: 0 },
];

test("a mountpoint is found by its path, by a relative one, and through symbolic links", () => {
  mkdirSync(join(directory, "a/b"), { recursive: true });
  symlinkSync("a", join(directory, "relative"));
  symlinkSync(join(directory, "relative"), join(directory, "absolute"));
  const mounts = mount(join(directory, "a/b"));
  for (const path of ["a/b", "a/b/", "relative/b", "absolute/b", "a/../absolute/./b"]) {
    expect(findMountpoint(`${directory}/${path}`, mounts)).toBe(join(directory, "a/b"));
  }
});

test("what lies above, below or beside a mountpoint is not it, and loops end", () => {
  mkdirSync(join(directory, "a"));
  symlinkSync("loop", join(directory, "loop"));
  const mounts = mount(join(directory, "a"));
  for (const path of ["", "a/x", "b", "loop", "loop/a"])
    expect(findMountpoint(join(directory, path), mounts)).toBe(undefined);
});

test("only riffle mounts are seen, the last one where they are stacked", () => {
  const table = [
    "22 27 0:21 / /proc rw - proc proc rw",
    String.raw`42 27 0:39 / /mnt/a\040b ro,nosuid - fuse.riffle host/x@sha256:1 ro,user_id=7,group_id=0`,
    String.raw`43 27 0:40 / /mnt/a\040b ro,nosuid - fuse.riffle host/y@sha256:2 ro,user_id=0,group_id=0`,
    "44 27 0:41 / /mnt/c rw - fuse.sshfs host rw,user_id=0",
  ].join("\n");
  const mounts = riffleMounts(parseMountInfo(table));
  expect(mounts.map(({ device, uid }) => [device, uid])).toEqual([
    ["0:39", 7],
    ["0:40", 0],
  ]);
  expect(riffleMountAt("/mnt/a b", mounts)?.source).toBe("host/y@sha256:2");
});

test("a private mountpoint is removed, and nothing that it did not make", () => {
  const own = makePrivateMountpoint({ temporaryDirectory: directory });
  mkdirSync(join(own, "x"));
  expect(removePrivateMountpoint(own)).toBe(false);
  rmSync(join(own, "x"), { recursive: true });
  expect(removePrivateMountpoint(own)).toBe(true);
  expect(removePrivateMountpoint(own)).toBe(true);
  mkdirSync(join(directory, "mine"));
  expect(removePrivateMountpoint(join(directory, "mine"))).toBe(false);
  expect(() => makePrivateMountpoint({ temporaryDirectory: join(directory, "none") })).toThrow(
    /cannot make a directory/,
  );
});

test.each(["/", "/proc", "/proc/self", "/sys", "/dev", "/dev/../proc"])(
  "%s is refused before anything is mounted: a machine without it is lost",
  (place) => {
    // Names alone are looked at here; nothing mounts.
    expect(() => resolveMountpoint(place, [])).toThrow(/cannot be a mountpoint/);
    symlinkSync(place, join(directory, "link"));
    expect(() => resolveMountpoint(join(directory, "link"), [])).toThrow(/cannot be a mountpoint/);
  },
);
