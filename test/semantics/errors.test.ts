import { describe, expect, test, vi } from "vitest";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { noise } from "../support/content.ts";
import type { Fault } from "../support/faults/fault.ts";
import { LATE_MS, LIMIT_MS } from "../support/faults/fault-table.ts";
import { faultyMount } from "../support/faults/faulty-mount.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

const obstacle = mountObstacle();
const SIZE = 400_000;
/** Each test reads a file of its own, so that nothing is held of it. */
const TITLES = ["reason", "anew", "again", "nonsense", "stall", "wait", "part", "code", "exit"];
const files = TITLES.map((name, index) => ({
  title: `${name}.bin`,
  bytes: noise(10 + index, { start: 0, end: SIZE + index }),
}));
const bytesOf = (name: string): Uint8Array =>
  files.find(({ title }) => title === `${name}.bin`)?.bytes ?? new Uint8Array();
const BROKEN: Fault = { kind: "status", status: 503 };
const NONSENSE: Fault = { kind: "wrong-range" };

describe.skipIf(obstacle !== undefined)(`errors${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  const mount = faultyMount({ files });
  const cat = async (name: string): Promise<{ right: boolean; says: string; ms: number }> => {
    const { stdout, stderr, ms } = await mount.home.sh(`sha256sum < ${mount.place}/${name}.bin`);
    return { right: stdout.toString().startsWith(sha256(bytesOf(name)).slice(7)), says: stderr, ms };
  };

  test("a read that cannot be satisfied is EIO, and the reason is in .oci/errors", async () => {
    mount.registry.setFault(() => NONSENSE);
    expect(await cat("reason")).toMatchObject({
      right: false,
      says: expect.stringMatching(/Input\/output error/) as string,
    });
    expect(await mount.sh("cat .oci/errors")).toMatch(/reason\.bin: .*instead of those asked for/);
  });

  test("a later read tries anew", async () => {
    mount.registry.setFault(() => NONSENSE);
    expect((await cat("anew")).right).toBe(false);
    mount.registry.setFault(undefined);
    expect(await cat("anew")).toMatchObject({ right: true, says: "" });
  });

  test("a failed request is tried again, five times in all", async () => {
    mount.registry.setFault(({ before }) => (before === 0 ? BROKEN : undefined));
    expect((await cat("again")).right).toBe(true);
    mount.registry.setFault(() => BROKEN);
    await using artifact = await openArtifact(mount.registry.reference, { timeoutMs: 20_000 });
    mount.registry.forget();
    await expect(artifact.file("again.bin").read({ start: 0, end: 9 })).rejects.toMatchObject({ code: "misbehaved" });
    expect(mount.registry.count("again.bin")).toBe(5);
  });

  test("nonsense is not asked for again", async () => {
    mount.registry.setFault(() => NONSENSE);
    await using artifact = await openArtifact(mount.registry.reference, { timeoutMs: LIMIT_MS });
    await expect(artifact.file("nonsense.bin").bytes()).rejects.toMatchObject({ code: "misbehaved" });
    expect(mount.registry.count("nonsense.bin")).toBe(1);
  });

  test("an error comes within the time limit", async () => {
    mount.registry.setFault(() => ({ kind: "stall" }));
    const { right, says, ms } = await cat("stall");
    expect([right, says]).toEqual([false, expect.stringMatching(/Input\/output error/)]);
    expect(ms).toBeLessThan(LATE_MS);
    expect(await mount.sh("cat .oci/errors")).toMatch(/stall\.bin: .*within 2 s/);
  });

  test("Retry-After is obeyed within the time limit, and beyond it is an error at once", async () => {
    const busy = (seconds: string): Fault => ({ kind: "status", status: 429, headers: { "retry-after": seconds } });
    await using artifact = await openArtifact(mount.registry.reference, { timeoutMs: LIMIT_MS });
    mount.registry.setFault(() => busy("3600"));
    await expect(artifact.file("wait.bin").bytes()).rejects.toMatchObject({
      message: expect.stringMatching(/429/) as string,
    });
    expect(mount.registry.count("wait.bin")).toBe(1);
    mount.registry.forget();
    mount.registry.setFault(({ before }) => (before === 0 ? busy("1") : undefined));
    expect(Buffer.compare(await artifact.file("wait.bin").bytes(), bytesOf("wait"))).toBe(0);
    expect(mount.registry.count("wait.bin")).toBe(2);
  });

  test("a part that cannot be had fails only the reads that need it", async () => {
    await using artifact = await openArtifact(mount.registry.reference, { timeoutMs: LIMIT_MS, frugal: true });
    const file = artifact.file("part.bin");
    mount.registry.setFault(({ range }) => (range.end > 200_000 ? NONSENSE : undefined));
    const [first, second] = await Promise.allSettled([
      file.read({ start: 0, end: 4096 }),
      file.read({ start: 300_000, end: 304_096 }),
    ]);
    expect([first.status, second.status]).toEqual(["fulfilled", "rejected"]);
    expect(Buffer.compare(await file.read({ start: 0, end: 4096 }), bytesOf("part").subarray(0, 4096))).toBe(0);
  });

  test("the library rejects with a RiffleError, by its code", async () => {
    await using artifact = await openArtifact(mount.registry.reference, { timeoutMs: LIMIT_MS });
    for (const [fault, code] of [
      [NONSENSE, "misbehaved"],
      [{ kind: "status", status: 404 }, "not-found"],
      [{ kind: "status", status: 403 }, "credentials"],
      [{ kind: "status", status: 416 }, "verification"],
    ] as const) {
      mount.registry.setFault(() => fault);
      await expect(artifact.file("code.bin").bytes()).rejects.toMatchObject({ name: "RiffleError", code });
    }
  });

  test("a command ends with the exit code of its error, in one line", async () => {
    mount.registry.setFault(() => ({ kind: "status", status: 404 }));
    const gone = await mount.home.riffle(["cat", mount.registry.reference, "exit.bin"]);
    expect([gone.code, gone.stderr]).toEqual([3, expect.stringMatching(/^riffle: [^\n]+ \([^\n]+\)\n$/)]);
    mount.registry.setFault(() => BROKEN);
    expect((await mount.home.riffle(["cat", mount.registry.reference, "exit.bin", "--timeout", "1s"])).code).toBe(7);
  });
});
