import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ArtifactStats } from "../../src/artifact/accounting.ts";
import { buildArtifact, putArtifact } from "../support/artifacts.ts";
import { createHome, MAIN, riffle, type Home, type Outcome } from "../support/cli.ts";
import { noise } from "../support/content.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const obstacle = mountObstacle();
const FILE_BYTES = 1024 * 1024;
const content = noise(3, { start: 0, end: FILE_BYTES });

/** A mount is never read by this process. */
const sh = (script: string): string => spawnSync("sh", ["-c", script], { encoding: "utf8" }).stdout;

describe.skipIf(obstacle !== undefined)(`mounting${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  let registry: RegistryHandle;
  let reference: string;
  let home: Home;
  let dir: string;

  beforeAll(async () => {
    registry = await spawnRegistry();
    const spec = {
      files: [
        { title: "a.bin", content: { kind: "bytes" as const, bytes: content } },
        { title: "d/b.txt", content: { kind: "bytes" as const, bytes: Buffer.from("hello\n") } },
        { title: "../c.txt", content: { kind: "bytes" as const, bytes: Buffer.from("c") } },
      ],
    };
    await buildArtifact(spec);
    ({ reference } = await putArtifact(registry, { repository: "t/mount", tag: "v1" }, spec));
  });
  afterAll(() => registry.close());
  beforeEach(() => {
    home = createHome();
    dir = join(home.path, "mnt");
    mkdirSync(dir);
  });
  afterEach(async () => {
    if (sh("cat /proc/mounts").includes(` ${dir} fuse.riffle`)) await run(["unmount", "--lazy", dir]);
    home.remove();
  });

  const run = (words: readonly string[]): Promise<Outcome> => riffle(words, { home });
  const statsOf = (text: string): ArtifactStats => JSON.parse(text) as ArtifactStats;

  test("mount, status, unmount: one line, one shape, nothing left", async () => {
    const mounted = await run(["mount", reference, dir, "--json"]);
    expect(mounted.code).toBe(0);
    expect(mounted.stderr).toMatch(/^riffle: warning: "\.\.\/c\.txt" .*\n$/);
    const stats = statsOf(mounted.stdout);
    expect(stats).toMatchObject({ mountpoint: dir, state: "ready", files: 3, bytesRead: 0, amplification: null });
    expect(stats.requestsByKind).toEqual({ token: 0, manifest: 1, blob: 0, other: 0 });
    expect(sh(`ls -R ${dir}; cat ${dir}/d/b.txt`)).toBe(`${dir}:\na.bin\nc.txt\nd\n\n${dir}/d:\nb.txt\nhello\n`);
    const { mounts } = JSON.parse((await run(["status", "--json", dir])).stdout) as { mounts: ArtifactStats[] };
    expect(mounts).toHaveLength(1);
    expect(mounts[0]).toMatchObject({ mountpoint: dir, pid: stats.pid, bytesRead: 6, errors: 0 });
    expect(Object.keys(mounts[0] ?? {})).toEqual(Object.keys(stats));
    expect(Object.keys(statsOf(sh(`cat ${dir}/.oci/stats.json`)))).toEqual(Object.keys(stats));
    expect((await run(["status"])).stdout).toContain(`${dir}  ${stats.reference}  ready`);
    expect(await run(["umount", dir])).toMatchObject({ code: 0, stdout: "" });
    // Nothing, or what a machine without a proper init leaves of an ended process.
    expect(sh(`sed -n 's/^State:[[:space:]]*//p' /proc/${stats.pid}/status 2>/dev/null`)).toMatch(/^(?:Z .*\n)?$/);
    expect(readdirSync(join(home.path, "runtime/riffle"))).toEqual([]);
    expect(await run(["unmount", dir])).toMatchObject({ code: 3 });
    expect(await run(["status", dir])).toMatchObject({ code: 3 });
  });

  test("the daemon holds none of the caller's descriptors, and no argument tells a secret", async () => {
    const script = `exec 7>${join(home.path, "held")}; "$0" "$@" >${join(home.path, "out")} 2>&1`;
    const words = [MAIN, "mount", reference, dir, "--json", "-q", "--username", "me", "--password-stdin"];
    const env = home.environment;
    const child = spawnSync("sh", ["-c", script, process.execPath, ...words], { env, input: "s3cret\n" });
    expect(child.status).toBe(0);
    const { pid } = statsOf(readFileSync(join(home.path, "out"), "utf8"));
    const links = sh(`ls -l /proc/${pid}/fd`);
    for (const held of ["held", "out"]) expect(links).not.toContain(join(home.path, held));
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("s3cret");
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("s3cret");
    await run(["unmount", dir]);
  });

  test("what is in the way is told, and nothing is left of a failure", async () => {
    writeFileSync(join(dir, "mine"), "");
    const first = await run(["mount", reference, dir]);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toContain("is not empty");
    expect(await run(["mount", reference, dir])).toMatchObject({ code: 1 });
    expect(await run(["unmount", dir])).toMatchObject({ code: 0 });
    expect(await run(["mount", reference, join(home.path, "none")])).toMatchObject({ code: 3 });
    expect(await run(["mount", `${registry.host}/t/none:v1`, dir])).toMatchObject({ code: 3 });
    expect(readdirSync(dir)).toEqual(["mine"]);
    expect(readdirSync(join(home.path, "runtime/riffle"))).toEqual([]);
  });

  test("filters, owner and mask", async () => {
    const words = ["mount", reference, dir, "--exclude", "*.bin", "--uid", "12", "--gid", "34", "--umask", "077"];
    expect(await run([...words, "--page-cache", "never", "--frugal"])).toMatchObject({ code: 0 });
    expect(sh(`ls ${dir}; stat -c '%u %g %a' ${dir}/d/b.txt`)).toBe("c.txt\nd\n12 34 400\n");
    expect(await run(["unmount", dir])).toMatchObject({ code: 0 });
    expect(await run(["mount", reference, dir, "--umask", "9"])).toMatchObject({ code: 2 });
    expect(await run(["mount", reference, dir, "--uid", "me"])).toMatchObject({ code: 2 });
  });

  test("in the foreground it stays until a signal, and unmounts", async () => {
    const child = spawn(process.execPath, [MAIN, "mount", "-f", "--json", reference, dir], { env: home.environment });
    const line = await new Promise<string>(
      (resolve) => void child.stdout.once("data", (text) => resolve(String(text))),
    );
    expect(statsOf(line)).toMatchObject({ mountpoint: dir, pid: child.pid });
    expect(sh(`cat ${dir}/c.txt`)).toBe("c");
    child.kill("SIGINT");
    const code = await new Promise((resolve) => void child.once("exit", resolve));
    expect(code).toBe(0);
    expect(sh("cat /proc/mounts")).not.toContain(dir);
  });

  describe("run", () => {
    const inner = (script: string, ...flags: readonly string[]): Promise<Outcome> =>
      run(["run", ...flags, reference, "--", "sh", "-c", script, "{}"]);

    test("in the mount, with its path everywhere, and accounting at the end", async () => {
      const { code, stdout, stderr } = await inner('pwd; echo "$RIFFLE_MOUNT"; echo "$0"; cat d/b.txt; exit 9', "-q");
      const [pwd, variable, argument, text] = stdout.split("\n");
      expect([code, text, stderr]).toEqual([9, "hello", ""]);
      expect([variable, argument]).toEqual([pwd, pwd]);
      expect(existsSync(pwd ?? "")).toBe(false);
      expect((await inner("cat c.txt")).stderr).toMatch(/^riffle: \d+ reads? of 1 B; \d+ requests? .*\n$/m);
    });

    test("--json: the object, on stderr", async () => {
      const { stdout, stderr } = await inner("head -c 5000 a.bin | wc -c", "--json", "-q", "--no-cache");
      expect(stdout.trim()).toBe("5000");
      expect(statsOf(stderr)).toMatchObject({ files: 3, backend: expect.any(String), errors: 0 });
    });

    test.each([
      ["a command's own code", "exit 3", 3],
      ["a signal", "kill -TERM $$", 143],
      ["a program that cannot be run", "exec ./d/b.txt", 126],
    ])("%s", async (_, script, code) => expect(await inner(script, "-q")).toMatchObject({ code }));

    test("a command that is not found is 127, an artifact that is not there 125", async () => {
      expect(await run(["run", reference, "--", "no-such-command"])).toMatchObject({ code: 127 });
      expect(await run(["run", "oci:/nonexistent", "--", "true"])).toMatchObject({ code: 125 });
      expect(await run(["run", reference, "-q", "--", "{}/none"])).toMatchObject({ code: 127 });
    });

    test("a signal reaches the command, and all is cleaned up", async () => {
      const words = ["run", "-q", reference, "--", "sh", "-c", "trap 'exit 5' TERM; pwd; sleep 60 & wait"];
      const child = spawn(process.execPath, [MAIN, ...words], { env: home.environment });
      const place = await new Promise<string>(
        (resolve) => void child.stdout.once("data", (text) => resolve(String(text))),
      );
      child.kill("SIGTERM");
      const code = await new Promise((resolve) => void child.once("exit", resolve));
      expect(code).toBe(5);
      expect(existsSync(place.trim())).toBe(false);
      expect(sh("cat /proc/mounts")).not.toContain(place.trim());
    });
  });
});
