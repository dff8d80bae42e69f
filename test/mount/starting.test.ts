import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Backend } from "../../src/mount/backend.ts";
import { startMountSession } from "../../src/mount/mount-session.ts";
import { cleanStale } from "../../src/mount/sessions.ts";
import { temporaryFolder } from "../support/processes.ts";
import { conformanceEntries, memoryStats, servedMemory } from "../support/served-memory.ts";

test("the control socket of a mount that is being made is left alone by those who clean up", async () => {
  using folder = temporaryFolder("starting");
  const directory = join(folder.path, "state");
  const memory = servedMemory(conformanceEntries(1));
  let begun: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const hasBegun = new Promise<void>((resolve) => (begun = resolve));
  const backend: Backend = {
    name: "kernel",
    available: async () => ({ ok: true }),
    mount: () => {
      begun();
      return new Promise((_, reject) => (fail = reject));
    },
  };
  const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const starting = startMountSession(backend, memory.served, {
    mount: {
      mountpoint: folder.sub("mnt"),
      source: "localhost:5000/eo/memory@sha256:aa",
      uid,
      gid,
      umask: 0,
      pageCache: "auto",
      log: () => undefined,
    },
    directory,
    reference: "localhost:5000/eo/memory@sha256:aa",
    digest: "sha256:aa",
    stats: (mounted, at) => memoryStats(memory, mounted, at),
    isDedicated: true,
  });
  const ended = starting.catch((error: unknown) => String(error));
  await hasBegun;
  const sockets = readdirSync(directory);
  expect(sockets).toHaveLength(1);
  await cleanStale(directory);
  expect(readdirSync(directory)).toEqual(sockets);
  fail(new Error("no mount"));
  expect(await ended).toContain("no mount");
  expect(readdirSync(directory)).toEqual([]);
});
