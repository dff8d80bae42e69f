import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { noise, type Content } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";
import type { RegistryOptions } from "../support/registry/options.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

const obstacle = mountObstacle();
const BYTES = 16 * 1024 * 1024;
const CACHED = 1024 * 1024;
const SEED = 5;
const content: Content = { kind: "noise", seed: SEED, size: BYTES };
const digestOf = (from: number, to: number): string => sha256(noise(SEED, { start: from, end: to })).slice(7);

let home: FaultHome;
let registry: SpawnedRegistry;
let reference: string;
beforeEach(() => {
  home = faultHome();
});
afterEach(async () => {
  try {
    await home.end();
  } finally {
    await registry.close();
  }
});

async function start(options: RegistryOptions & { readonly port?: number } = {}): Promise<void> {
  registry = await spawnRegistry(options);
  const spec = { files: [{ title: "a.bin", content }] };
  ({ reference } = await putArtifact(registry, { repository: "t/x", tag: "v" }, spec));
}

const part = (place: string, from: number, to: number): string =>
  `dd if=${place}/a.bin bs=${to - from} skip=${from / (to - from)} count=1 status=none | sha256sum | cut -d' ' -f1`;

describe.skipIf(obstacle !== undefined)(
  `under a mount${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    test.each(["SIGSTOP", "SIGKILL"] as const)(
      "%s in the middle of a read: EIO, cached bytes at once, and it recovers by itself",
      async (blow) => {
        await start({ ratePerConnection: 1024 * 1024 });
        const place = home.place("mnt");
        expect(await home.riffle(["mount", reference, place, "--timeout", "3s"])).toMatchObject({ code: 0 });
        expect((await home.sh(part(place, 0, CACHED))).stdout.toString().trim()).toBe(digestOf(0, CACHED));
        const reading = home.sh(`cat ${place}/a.bin >/dev/null`);
        await expect
          .poll(async () => (await registry.counters()).kinds.blob.requests, { timeout: 10_000 })
          .toBeGreaterThan(1);
        process.kill(registry.pid, blow);
        // while the reader waits, and after it has its error
        expect((await home.sh(part(place, 0, CACHED))).stdout.toString().trim()).toBe(digestOf(0, CACHED));
        const read = await reading;
        expect([read.status, read.stderr]).toEqual([1, expect.stringContaining("Input/output error")]);
        expect((await home.sh(part(place, 0, CACHED))).stdout.toString().trim()).toBe(digestOf(0, CACHED));
        const errors = (await home.sh(`cat ${place}/.oci/errors`)).stdout.toString();
        expect(errors).toMatch(/a\.bin: .*(?:within 3 s|refused the connection|closed the connection)/);

        if (blow === "SIGSTOP") process.kill(registry.pid, "SIGCONT");
        else {
          const port = Number(registry.host.split(":")[1]);
          await start({ port });
        }
        await registry.configure({ ratePerConnection: 0 });
        await registry.reset();
        const whole = await home.sh(`sha256sum < ${place}/a.bin`);
        expect(whole.stdout.toString().split(" ")[0]).toBe(digestOf(0, BYTES));
        const { requests, kinds } = await registry.counters();
        expect(requests).toBeLessThanOrEqual(80);
        expect(kinds.blob.bytes).toBeLessThanOrEqual(BYTES + CACHED);
        expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
      },
    );

    test("a registry that never comes back stops neither status nor unmount", async () => {
      await start();
      const place = home.place("mnt");
      await home.riffle(["mount", reference, place, "--timeout", "6s"]);
      process.kill(registry.pid, "SIGSTOP");
      const reading = home.sh(`cat ${place}/a.bin`);
      expect(await home.riffle(["status", place])).toMatchObject({ code: 0 });
      const busy = await home.riffle(["unmount", place]);
      if (busy.code !== 0) expect([busy.code, busy.stderr]).toEqual([1, expect.stringMatching(/in use/)]);
      expect(await home.riffle(["unmount", "--lazy", place])).toMatchObject({ code: busy.code === 0 ? 3 : 0 });
      expect((await reading).status).toBe(1);
      process.kill(registry.pid, "SIGCONT");
    });

    test("a token that was revoked in the middle is asked for anew, and goes to no other origin", async () => {
      const auth = { kind: "bearer", username: "me", password: "right" } as const;
      await start({ auth, redirect: { expiresMs: 300 } });
      const place = home.place("mnt");
      const words = ["mount", reference, place, "--username", "me", "--password-stdin"];
      expect(await home.riffle(words, { input: "right\n" })).toMatchObject({ code: 0 });
      const read = async (from: number): Promise<void> => {
        // no address that is known holds any more
        const text = (await home.sh(`sleep 0.4; ${part(place, from, from + CACHED)}`)).stdout.toString().trim();
        expect(text).toBe(digestOf(from, from + CACHED));
      };
      await read(0);
      await registry.reset();
      await registry.configure({}, { revoke: true });
      await read(4 * CACHED);
      await read(8 * CACHED);
      const { requests, leaks, kinds } = await registry.counters();
      expect(leaks).toBe(0);
      expect(kinds.token.requests).toBe(1);
      expect(requests).toBeLessThanOrEqual(12);
      await home.riffle(["unmount", place]);
    });

    test("an address that lives a quarter of a second is renewed as often as it must be", async () => {
      await start({ auth: { kind: "bearer", tokenMs: 1500 }, redirect: { expiresMs: 250 } });
      const place = home.place("mnt");
      await home.riffle(["mount", reference, place]);
      for (let at = 0; at < 6; at += 1) {
        const from = at * 2 * CACHED;
        const text = (await home.sh(`sleep 0.3; ${part(place, from, from + 65536)}`)).stdout.toString().trim();
        expect(text).toBe(digestOf(from, from + 65536));
      }
      const { leaks, kinds } = await registry.counters();
      expect(leaks).toBe(0);
      expect(kinds.blob.requests).toBeLessThanOrEqual(6 * 5);
      expect(kinds.token.requests).toBeLessThanOrEqual(8);
      await home.riffle(["unmount", place]);
    });
  },
);

test.each([
  ["pull", () => ["pull", reference, "-o", "out"]],
  ["cp", () => ["cp", reference, "a.bin", "out/"]],
  ["cat", () => ["cat", reference, "a.bin"]],
] as const)("%s ends with 7 when the registry dies, and goes on from there", async (command, words) => {
  await start({ ratePerConnection: 1024 * 1024 });
  const first = home.riffle([...words(), "--timeout", "3s"]);
  await expect
    .poll(async () => (await registry.counters()).kinds.blob.bytes, { timeout: 10_000 })
    .toBeGreaterThan(CACHED);
  process.kill(registry.pid, "SIGKILL");
  const { code, stderr } = await first;
  expect([code, stderr]).toEqual([7, expect.stringMatching(/^riffle: [^\n]+\n$/)]);
  await start({ port: Number(registry.host.split(":")[1]) });
  const second = await home.riffle(words());
  expect(second.code).toBe(0);
  const where = command === "cat" ? undefined : "out/a.bin";
  const sum = where === undefined ? sha256(second.stdoutBytes).slice(7) : await sumOf(where);
  expect(sum).toBe(digestOf(0, BYTES));
  if (where !== undefined) expect(readdirSync(`${home.path}/out`)).toEqual(["a.bin"]);
  expect((await registry.counters()).kinds.blob.bytes).toBeLessThan(BYTES);
});

async function sumOf(path: string): Promise<string> {
  return (await home.sh(`sha256sum < ${path}`)).stdout.toString().split(" ")[0] ?? "";
}
