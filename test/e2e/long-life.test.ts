import { createServer } from "node:net";
import { once } from "node:events";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";
import type { RegistryOptions } from "../support/registry/options.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

const MIB = 1024 * 1024;
const SIZE = 12 * MIB;
const SEED = 71;
const WHOLE = sha256(noise(SEED, { start: 0, end: SIZE })).slice(7);
const obstacle = mountObstacle();

describe.skipIf(obstacle !== undefined)(`a long life${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  let home: FaultHome;
  let registry: SpawnedRegistry;
  let reference: string;
  let place: string;

  beforeEach(() => {
    home = faultHome();
    place = home.place("mnt");
  });
  afterEach(async () => {
    try {
      await home.end();
    } finally {
      await registry.close();
    }
  });

  const start = async (options: RegistryOptions): Promise<number> => {
    registry = await spawnRegistry(options);
    ({ reference } = await putArtifact(
      registry,
      { repository: "t/x", tag: "v" },
      { files: [{ title: "a.bin", content: { kind: "noise", seed: SEED, size: SIZE } }] },
    ));
    const { code, stdout, stderr } = await home.riffle(["mount", reference, place, "--json", "--timeout", "20s"]);
    expect([code, stderr]).toEqual([0, ""]);
    // what riffle mount --json prints
    return (JSON.parse(stdout) as { pid: number }).pid;
  };
  const whole = async (): Promise<string> =>
    (await home.sh(`sha256sum < ${place}/a.bin`)).stdout.toString().slice(0, 64);
  const errors = async (): Promise<string> => (await home.sh(`cat ${place}/.oci/errors`)).stdout.toString();
  const unmount = async (): Promise<void> => {
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0, stderr: "" });
  };

  test("tokens and addresses that end several times within one read are renewed, and no more than that", async () => {
    const auth = { kind: "bearer", tokenMs: 1000 } as const;
    await start({ auth, redirect: { expiresMs: 800 }, totalRate: 3 * MIB });
    expect(await whole()).toBe(WHOLE);
    expect(await errors()).toBe("");
    const { kinds, leaks } = await registry.counters();
    expect(leaks).toBe(0);
    expect(kinds.token.requests).toBeGreaterThanOrEqual(2);
    // About four seconds: a token a second, and two requests for each renewal of an address.
    expect(kinds.token.requests).toBeLessThanOrEqual(16);
    expect(kinds.blob.requests).toBeLessThanOrEqual(60);
    expect(kinds.blob.bytes).toBeLessThanOrEqual(1.1 * SIZE);
    await unmount();
  });

  test("a daemon that is stopped in the middle of a read goes on where it was, though its token has ended", async () => {
    const auth = { kind: "bearer", tokenMs: 1000 } as const;
    const pid = await start({ auth, redirect: { expiresMs: 800 }, totalRate: 4 * MIB });
    const reading = whole();
    await expect
      .poll(async () => (await registry.counters()).kinds.blob.bytes, { timeout: 10_000 })
      .toBeGreaterThan(2 * MIB);
    process.kill(pid, "SIGSTOP");
    // Long enough for the token and the address to end: what is waited for is time itself.
    await sleep(1500);
    process.kill(pid, "SIGCONT");
    expect(await reading).toBe(WHOLE);
    expect(await errors()).toBe("");
    expect((await registry.counters()).kinds.blob.bytes).toBeLessThanOrEqual(1.1 * SIZE);
    await unmount();
  });

  test("20 daemons one after the other leave nothing, and the cache is the same", async () => {
    await start({});
    expect(await whole()).toBe(WHOLE);
    await unmount();
    await registry.reset();
    const before = readdirSync(join(home.path, "cache/riffle"), { recursive: true }).length;
    for (let round = 0; round < 20; round += 1) {
      expect(await home.riffle(["mount", reference, place])).toMatchObject({ code: 0, stderr: "" });
      if (round % 5 === 0) expect(await whole()).toBe(WHOLE);
      await unmount();
      expect([home.processes(), home.mounts()]).toEqual([[], []]);
      expect(readdirSync(join(home.path, "runtime/riffle"))).toEqual([]);
    }
    expect((await registry.counters()).kinds.blob.requests).toBe(0);
    expect(readdirSync(join(home.path, "cache/riffle"), { recursive: true }).length).toBe(before);
  }, 180_000);

  test("a daemon of another version is said to be one, and can be unmounted", async () => {
    await start({});
    const runtime = join(home.path, "runtime/riffle");
    const name = readdirSync(runtime).find((file) => file.startsWith("session-")) ?? "";
    const text = readFileSync(join(runtime, name), "utf8");
    // What a later version might leave: the same mount, another protocol, and a daemon that says so.
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        const error = { code: "machine", message: "control protocol version 1 meets version 2" };
        socket.end(`${JSON.stringify({ v: 2, ok: false, error })}\n`);
      });
    });
    server.listen(join(home.path, "later.sock"));
    await once(server, "listening");
    try {
      const state = { ...(JSON.parse(text) as object), protocol: 2, socket: join(home.path, "later.sock") };
      writeFileSync(join(runtime, "draft"), JSON.stringify(state), { mode: 0o600 });
      renameSync(join(runtime, "draft"), join(runtime, name));
      const told = await home.riffle(["status"]);
      expect([told.code, told.stderr]).toEqual([
        0,
        `riffle: warning: ${place} is served by another version of riffle (control protocol 2, not 1): ` +
          `its counts are not known; it reads on, and riffle unmount ends it\n`,
      ]);
      expect(told.stdout).toContain("ready");
      const listed = await home.riffle(["status", "--json"]);
      // what riffle status --json prints
      const { mounts } = JSON.parse(listed.stdout) as { mounts: readonly object[] };
      expect(mounts).toMatchObject([{ mountpoint: place, state: "ready" }]);
      expect(await whole()).toBe(WHOLE);
      await unmount();
      expect(home.mounts()).toEqual([]);
    } finally {
      server.close();
    }
  });
});
