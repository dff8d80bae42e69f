import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveMountpoint } from "../../src/mount/mountpoint.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "riffle-mountpoint-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const refusal = (path: string, says: string | RegExp, code = "usage"): void =>
  expect(() => resolveMountpoint(path)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(says) }),
  );

test("a directory is named without symbolic links", () => {
  mkdirSync(join(directory, "real"));
  symlinkSync("real", join(directory, "link"));
  expect(resolveMountpoint(join(directory, "link"))).toBe(join(directory, "real"));
  expect(resolveMountpoint(`${directory}/./real/../real/`)).toBe(join(directory, "real"));
});

test("what is missing, a file, or a circle of links is refused", () => {
  writeFileSync(join(directory, "file"), "");
  symlinkSync("loop", join(directory, "loop"));
  refusal(join(directory, "none"), /does not exist/, "not-found");
  refusal(join(directory, "file"), /is not a directory/);
  refusal(join(directory, "loop"), /too many symbolic links/);
});

test.each(["/", "/proc", "/sys/", "/dev"])(
  "%s is never a mountpoint: it would hide what every program needs",
  (path) => {
    refusal(path, /cannot be a mountpoint/);
  },
);

test("a riffle mount is not mounted over, and nothing below one is looked at", () => {
  const mount = { mountpoint: directory, type: "fuse.riffle", source: "host/repo@sha256:00", device: "0:99" };
  // what the mount table gives, as far as it is looked at here
  const mounts = [mount] as unknown as Parameters<typeof resolveMountpoint>[1];
  expect(() => resolveMountpoint(join(directory, "below"), mounts)).toThrow(
    expect.objectContaining({ code: "exists", hint: expect.stringContaining("riffle unmount") }),
  );
});
