import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadFuseNative, type FuseLibrary } from "../../src/mount/fuse-native.ts";
import { libfuseBackend } from "../../src/mount/libfuse-backend.ts";

/** A `require` that fails like Node's. */
function failing(message: string): NodeJS.Require {
  const real = createRequire(import.meta.url);
  return Object.assign(() => {
    throw new Error(message);
  }, real);
}

test.each([
  ["Cannot find module 'fuse-native'", /package fuse-native, which is not installed/, /npm install fuse-native/],
  ["libfuse.so.2: cannot open shared object file: No such file or directory", /needs libfuse 2/, /libfuse2/],
  ["No native build was found for platform=linux arch=arm64", /does not load on this machine/, /--backend kernel/],
])("one sentence and a remedy for: %s", async (message, sentence, remedy) => {
  const load = (): FuseLibrary => loadFuseNative(failing(message));
  expect(load).toThrow(
    expect.objectContaining({
      code: "machine",
      message: expect.stringMatching(sentence) as string,
      hint: expect.stringMatching(remedy) as string,
    }) as Error,
  );
  expect(await libfuseBackend({ load }).available()).toMatchObject({
    ok: false,
    code: "machine",
    reason: expect.stringMatching(sentence) as string,
    hint: expect.stringMatching(remedy) as string,
  });
});

test("a missing device is told from one that this user may not open, with its mode", async () => {
  const load = (): FuseLibrary => ({ Fuse: loadFuseNative, letGo: () => undefined }) as unknown as FuseLibrary;
  const directory = mkdtempSync(join(tmpdir(), "riffle-device-"));
  try {
    const device = join(directory, "fuse");
    expect(await libfuseBackend({ load, device }).available()).toMatchObject({ ok: false, code: "machine" });
    writeFileSync(device, "");
    expect(await libfuseBackend({ load, device }).available()).toEqual({ ok: true });
    chmodSync(device, 0o040);
    // Root may open anything.
    if (process.getuid?.() !== 0) {
      expect(await libfuseBackend({ load, device }).available()).toMatchObject({
        code: "permission",
        reason: expect.stringContaining("mode 0040") as string,
      });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
