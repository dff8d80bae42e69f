import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { hasProgram, mountObstacle, otherMountsGo, RIFFLE, run, type RunResult } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

const obstacle =
  mountObstacle() ?? (process.getuid?.() === 0 && hasProgram("unshare") ? undefined : "needs root and unshare");
if (obstacle !== undefined) console.warn(`SKIPPED: riffle unmount --all: ${obstacle}`);

describe.skipIf(obstacle !== undefined)(
  `riffle unmount --all, in a mount namespace of its own${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let home: FaultHome;
    let registry: RegistryHandle;
    let reference: string;
    beforeAll(async () => {
      registry = await spawnRegistry();
      const file = { title: "a.txt", content: { kind: "bytes" as const, bytes: Buffer.from("hello\n") } };
      ({ reference } = await putArtifact(registry, { repository: "t/x", tag: "v" }, { files: [file] }));
    });
    afterAll(() => registry.close());
    beforeEach(() => {
      home = faultHome();
      for (const name of ["one", "two", "three"]) home.place(name);
    });
    afterEach(() => home.end());

    /** A shell that has no mounts of riffle but those that it makes. */
    const there = (script: string): Promise<RunResult> => {
      const own = `riffle() { "${process.execPath}" "${RIFFLE}" "$@"; }
mounts() { grep -c " fuse.riffle " /proc/self/mounts; }
${otherMountsGo()}
[ "$(mounts)" = 0 ] || exit 99
for at in one two three; do riffle mount -q ${reference} $at >/dev/null || exit 98; done
`;
      const words = ["-m", "env", "-i", ...Object.entries(home.environment).map(([key, value]) => `${key}=${value}`)];
      return run("unshare", [...words, "sh", "-c", own + script], { cwd: home.path, timeoutMs: 60_000 });
    };

    test("takes all of them, live and dead, and ends their daemons", async () => {
      const { stdout, stderr, status } = await there(`
pid=$(riffle status --json two | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p' | head -n 1)
kill -9 "$pid"
while [ -d "/proc/$pid" ] && ! grep -q 'State:.Z' "/proc/$pid/status"; do sleep 0.05; done
riffle unmount --all --json || exit 97
mounts
riffle unmount --all && echo none`);
      expect([status, stderr]).toEqual([0, ""]);
      const [unmounted = "", ...rest] = stdout.toString().trim().split("\n");
      const places = ["one", "two", "three"].map((name) => `${home.path}/${name}`);
      expect(JSON.parse(unmounted)).toEqual({ unmounted: expect.arrayContaining(places) as unknown });
      expect(rest).toEqual(["0", "none"]);
      expect(home.processes()).toEqual([]);
    });

    test("leaves the one that is in use, says so, and takes it with --lazy", async () => {
      const { stdout, stderr, status } = await there(`
exec 3<two/a.txt
riffle unmount --all; echo "$?"
grep " fuse.riffle " /proc/self/mounts | cut -d' ' -f2
riffle unmount --all --lazy; echo "$?"
mounts
cat <&3`);
      expect(status).toBe(0);
      expect(stdout.toString().split("\n")).toEqual(["1", `${home.path}/two`, "0", "0", "hello", ""]);
      expect(stderr).toMatch(/^riffle: unmount: \S+\/two is in use by process [\d, ]+ \(.*--lazy\)\n$/);
    });

    test("leaves those of another runtime directory alone", async () => {
      const { stdout, stderr, status } = await there(`
mkdir elsewhere
XDG_RUNTIME_DIR=${home.path}/elsewhere riffle unmount --all
mounts
cat one/a.txt two/a.txt three/a.txt
riffle unmount --all; mounts`);
      expect([status === 0 || status === 1, stderr]).toEqual([true, ""]);
      expect(stdout.toString()).toBe("3\nhello\nhello\nhello\n0\n");
    });
  },
);
