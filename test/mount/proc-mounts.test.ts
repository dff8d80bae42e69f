import { expect, test } from "vitest";
import { isUnderRiffle, mountAt, parseMountInfo, readMounts, unescapeOctal } from "../../src/mount/proc-mounts.ts";

const INFO = [
  "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro",
  String.raw`42 27 0:39 / /mnt/a\040b\134c\012d ro,nosuid,nodev shared:2 master:3 - fuse.riffle ho\040st:50,00/eo@sha256:ab\043 ro,user_id=0`,
  "43 27 0:40 / /mnt/x ro - fuse.riffle a ro",
  "44 43 0:41 / /mnt/x ro - tmpfs tmpfs rw",
  "",
].join("\n");

test("octal escapes come back as the bytes that they stand for, UTF-8 included", () => {
  expect(unescapeOctal(String.raw`a\040b\011c\012d\134e\043`)).toBe("a b\tc\nd\\e#");
  expect(unescapeOctal(String.raw`\303\244`)).toBe("ä");
  expect(unescapeOctal(String.raw`ä\040\x\9\77\777`)).toBe(String.raw`ä \x\9\77\777`);
  expect(unescapeOctal("plain")).toBe("plain");
});

test("optional fields are skipped, names are unescaped, the last of stacked mounts is seen", () => {
  const mounts = parseMountInfo(INFO);
  expect(mounts).toHaveLength(4);
  expect(mounts[1]).toEqual({
    device: "0:39",
    mountpoint: "/mnt/a b\\c\nd",
    type: "fuse.riffle",
    source: "ho st:50,00/eo@sha256:ab#",
    options: ["ro", "nosuid", "nodev", "ro", "user_id=0"],
  });
  expect(mountAt("/mnt/x", mounts)?.type).toBe("tmpfs");
  expect(mountAt("/mnt", mounts)).toBeUndefined();
});

test("a path at or below a mount of ours is known as such, its neighbours are not", () => {
  const mounts = parseMountInfo(INFO);
  expect(isUnderRiffle("/mnt/x", mounts)).toBe(true);
  expect(isUnderRiffle("/mnt/x/y/z", mounts)).toBe(true);
  expect(isUnderRiffle("/mnt/xy", mounts)).toBe(false);
  expect(isUnderRiffle("/", mounts)).toBe(false);
});

test.each(["", "-", "1 2 3", "1 2 0:1 / /m ro", "1 2 0:1 / /m ro -", "1 2 0:1 / /m ro - fuse"])(
  "a broken line is left out: %j",
  (line) => {
    expect(parseMountInfo(line)).toEqual([]);
  },
);

test.skipIf(process.platform !== "linux")("this machine's own list has a root", () => {
  expect(mountAt("/")?.type).toBeTruthy();
  expect(readMounts("/nowhere")).toEqual([]);
});
