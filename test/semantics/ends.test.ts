import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import {
  startFaultyRegistry,
  type FaultyRegistry,
  type FaultyRegistryOptions,
} from "../support/faults/faulty-registry.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

const obstacle = mountObstacle() ?? (process.getuid?.() === 0 ? undefined : "not root");
const MIB = 1024 * 1024;
const bytes = noise(6, { start: 0, end: 6 * MIB });
const files = [{ title: "a.bin", bytes }];
const SUM = sha256(bytes).slice(7);

describe.skipIf(obstacle !== undefined)(
  `when it goes away${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let home: FaultHome;
    let registry: FaultyRegistry;
    let place: string;
    let pid: number;
    beforeEach(() => {
      home = faultHome();
      place = home.place("mnt");
    });
    afterEach(async () => {
      if (home.mounts().includes(place)) await home.riffle(["unmount", place]);
      await home.end();
      await registry[Symbol.asyncDispose]();
    });
    const mount = async (options: Partial<FaultyRegistryOptions> = {}): Promise<void> => {
      registry = await startFaultyRegistry({ files, ...options });
      const { code, stdout } = await home.riffle(["mount", "--json", registry.reference, place, "--timeout", "10s"]);
      expect(code).toBe(0);
      // what riffle mount --json prints
      ({ pid } = JSON.parse(stdout) as { pid: number });
    };
    const sum = async (): Promise<string> =>
      (await home.sh(`sha256sum < ${place}/a.bin`)).stdout.toString().slice(0, 64);
    const head = async (): Promise<string> =>
      (await home.sh(`head -c ${MIB} ${place}/a.bin | sha256sum`)).stdout.toString().slice(0, 64);
    const HEAD = sha256(bytes.subarray(0, MIB)).slice(7);
    const gone = (): Promise<void> => expect.poll(home.processes, { timeout: 10_000 }).toEqual([]);

    test("a mount outlives its registry: held bytes go on, the rest is EIO, and it recovers by itself", async () => {
      await mount();
      expect(await head()).toBe(HEAD);
      await registry.refuse();
      expect(await head()).toBe(HEAD);
      expect((await home.sh(`tail -c 100 ${place}/a.bin`)).stderr).toMatch(/Input\/output error/);
      await registry.accept();
      expect(await sum()).toBe(SUM);
    });

    test("a connection that is cut goes on where it was cut", async () => {
      await mount({ fault: ({ before }) => (before % 2 === 0 ? { kind: "reset", after: 200_000 } : undefined) });
      expect(await sum()).toBe(SUM);
      expect((await home.sh(`cat ${place}/.oci/errors`)).stdout.toString()).toBe("");
    });

    test("a token that expires in the middle of a read is renewed", async () => {
      await mount({ tokenLife: 1000 });
      registry.setFault(({ before }) => void (before === 1 && registry.revoke()));
      expect(await sum()).toBe(SUM);
      expect(registry.tokens()).toBe(2);
    });

    test("a signed address that expires in the middle of a read is renewed", async () => {
      await mount({ urlLife: 1000 });
      registry.setFault(({ before }) => void (before === 1 && registry.expire()));
      expect(await sum()).toBe(SUM);
      expect((await home.sh(`cat ${place}/.oci/errors`)).stdout.toString()).toBe("");
    });

    test("a cache directory that goes away under a mount is made anew", async () => {
      await mount();
      expect(await head()).toBe(HEAD);
      await home.sh("rm -rf cache");
      expect(await sum()).toBe(SUM);
      expect(await sum()).toBe(SUM);
    });

    test("a killed daemon leaves a dead mount: ENOTCONN, status says so, unmount removes it", async () => {
      await mount();
      process.kill(pid, "SIGKILL");
      await gone();
      expect((await home.sh(`cat ${place}/a.bin`)).stderr).toMatch(/not connected|connection abort/);
      expect((await home.riffle(["status", place])).stderr).toMatch(/is dead/);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0, stderr: "" });
      expect(home.mounts()).toEqual([]);
    });

    test("the end of a mount leaves no mount, process, socket or state file", async () => {
      await mount();
      expect(await head()).toBe(HEAD);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0, stderr: "" });
      // home.end() looks for the rest
      expect([home.mounts(), home.processes()]).toEqual([[], []]);
    });

    test("SIGTERM unmounts, but not while the mount is in use; a second one does", async () => {
      await mount();
      const user = spawn("sh", ["-c", `exec 3<${place}/a.bin; echo open; exec sleep 60`], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      try {
        await once(user.stdout, "data");
        process.kill(pid, "SIGTERM");
        await expect
          .poll(async () => (await home.sh("cat state/riffle/logs/*")).stdout.toString(), { timeout: 10_000 })
          .toMatch(/in use/);
        expect(await head()).toBe(HEAD);
        process.kill(pid, "SIGTERM");
        await gone();
      } finally {
        user.kill("SIGKILL");
      }
    });

    test("a mount that someone detached goes on for who has it open, and ends with the last of them", async () => {
      await mount();
      const script = `exec 3<${place}/a.bin; umount -l ${place}; head -c ${MIB} <&3 | sha256sum`;
      expect((await home.sh(script)).stdout.toString().slice(0, 64)).toBe(HEAD);
      await gone();
    });
  },
);
