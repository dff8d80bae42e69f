import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact, type BuiltArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { noise } from "../support/content.ts";
import { hasProgram, run as runProgram } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const BIG_BYTES = 6 * 1024 * 1024 + 17;
const big = noise(11, { start: 0, end: BIG_BYTES });

let registry: RegistryHandle;
let home: Home;
let artifact: BuiltArtifact & { readonly reference: string };

beforeAll(async () => {
  registry = await spawnRegistry();
  artifact = await putArtifact(
    registry,
    { repository: "e2e/transfer", tag: "v1" },
    {
      // A configuration that skopeo takes for an artifact's, and copies as it is.
      config: {
        mediaType: "application/vnd.riffle.test.config+json",
        content: { kind: "bytes", bytes: Buffer.from("{}") },
      },
      files: [
        { title: "data/big.bin", content: { kind: "bytes", bytes: big } },
        { title: "data/small.txt", content: { kind: "bytes", bytes: Buffer.from("small") } },
        { title: "hello.txt", content: { kind: "bytes", bytes: Buffer.from("hello\n") } },
      ],
    },
  );
});
afterAll(() => registry.close());
beforeEach(async () => {
  home = createHome();
  await registry.configure({ ratePerConnection: 0 });
  await registry.reset();
});
afterEach(() => home.remove());

const run = (words: readonly string[]): Promise<Outcome> => riffle(words, { home });
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const files = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .toSorted();

/** Kills riffle once a file below `folder` holds a megabyte; gives how much it held then. */
async function killMidway(words: readonly string[], folder: string): Promise<number> {
  await registry.configure({ ratePerConnection: 1024 * 1024 });
  const held = (): number =>
    existsSync(folder) ? Math.max(0, ...files(folder).map((path) => statSync(join(folder, path)).size)) : 0;
  const outcome = await riffle(words, {
    home,
    onStart: (pid) => {
      const look = setInterval(() => {
        if (held() < 1024 * 1024) return;
        clearInterval(look);
        process.kill(pid, "SIGKILL");
      }, 20);
    },
  });
  expect(outcome.signal).toBe("SIGKILL");
  await registry.configure({ ratePerConnection: 0 });
  await registry.reset();
  return held();
}

describe("killed in the middle, a transfer goes on", () => {
  test("pull", async () => {
    const out = join(home.path, "out");
    await killMidway(["pull", artifact.reference, "-o", out], out);
    expect(files(out)).not.toContain("data/big.bin");
    expect(await run(["pull", artifact.reference, "-o", out])).toMatchObject({ code: 0 });
    expect(files(out)).toEqual(["data/big.bin", "data/small.txt", "hello.txt"]);
    expect(sha256(readFileSync(join(out, "data/big.bin")))).toBe(sha256(big));
    // What a kill leaves unsaid is fetched again; what was said to be there is not.
    expect((await registry.counters()).kinds.blob.bytes).toBeLessThan(BIG_BYTES);
  });

  test("cp", async () => {
    const out = join(home.path, "out");
    mkdirSync(out);
    await killMidway(["cp", "--no-cache", artifact.reference, "data", out], out);
    expect(files(out)).not.toContain("data/big.bin");
    expect(await run(["cp", "--no-cache", artifact.reference, "data", out])).toMatchObject({ code: 0 });
    expect(files(out)).toEqual(["data/big.bin", "data/small.txt"]);
    expect(sha256(readFileSync(join(out, "data/big.bin")))).toBe(sha256(big));
    expect((await registry.counters()).kinds.blob.bytes).toBeLessThan(BIG_BYTES);
  });
});

test("bytes that are not what their digest says get no name, and the exit code is 6", async () => {
  const place = { repository: "e2e/wrong", tag: "v1" };
  const wrong = await putArtifact(registry, place, {
    files: [{ title: "a.bin", content: { kind: "bytes", bytes: Buffer.from("right") } }],
  });
  await registry.addBlob(wrong.layers[0]?.digest ?? "sha256:", { kind: "bytes", bytes: Buffer.from("wrong") });
  for (const more of [
    ["-o", "plain"],
    ["-o", "layout", "--layout"],
  ]) {
    const { code, stdout, stderr } = await run(["pull", wrong.reference, ...more]);
    expect([code, stdout]).toEqual([6, ""]);
    expect(stderr).toMatch(/^riffle: pull: [^\n]+ \([^\n]+\)\n$/);
  }
  expect(files(join(home.path, "plain"))).toEqual([]);
  const hex = wrong.layers[0]?.digest.slice("sha256:".length) ?? "";
  expect(files(join(home.path, "layout")).filter((path) => path.endsWith(hex))).toEqual([]);
});

describe("cp", () => {
  test("filters, several paths, and a destination with a slash", async () => {
    const { reference } = artifact;
    expect(await run(["cp", reference, ".", "out", "--include", "*.txt", "--exclude", "hello*"])).toMatchObject({
      code: 0,
    });
    expect(files(join(home.path, "out"))).toEqual(["data/small.txt"]);
    expect(await run(["cp", reference, "hello.txt", "data/small.txt", "new/"])).toMatchObject({ code: 0 });
    expect(files(join(home.path, "new"))).toEqual(["hello.txt", "small.txt"]);
    expect(await run(["cp", reference, "hello.txt", "none", "never"])).toMatchObject({ code: 3 });
    expect(existsSync(join(home.path, "never"))).toBe(false);
    const several = await run(["cp", reference, "hello.txt", "data/small.txt", "new/hello.txt"]);
    expect(several).toMatchObject({ code: 2, stdout: "" });
  });
});

describe.skipIf(!hasProgram("skopeo"))("layouts (skipped without skopeo)", () => {
  const skopeo = (words: readonly string[]): ReturnType<typeof runProgram> =>
    runProgram("skopeo", words, { cwd: home.path, env: home.environment });

  test("skopeo reads what pull --layout writes", async () => {
    expect(await run(["pull", artifact.reference, "--layout", "-o", "layout"])).toMatchObject({ code: 0 });
    const seen = await skopeo(["inspect", "--raw", "oci:layout:v1"]);
    expect([seen.status, seen.stdout.toString()]).toEqual([0, Buffer.from(artifact.manifest).toString()]);
    const copied = await skopeo(["copy", "oci:layout:v1", "oci:second:v2"]);
    expect([copied.status, copied.stderr]).toEqual([0, expect.any(String)]);
    expect(await run(["cat", "oci:second:v2", "hello.txt"])).toMatchObject({ code: 0, stdout: "hello\n" });
  });

  test("riffle reads what skopeo writes, by tag and by digest", async () => {
    const copied = await skopeo(["copy", "--src-tls-verify=false", `docker://${artifact.reference}`, "oci:copy:v7"]);
    expect([copied.status, copied.stderr]).toEqual([0, expect.any(String)]);
    for (const name of ["oci:copy:v7", `oci:${home.path}/copy:v7`, `oci:./copy@${artifact.descriptor.digest}`]) {
      expect(await run(["ls", "-R", name])).toMatchObject({
        code: 0,
        stdout: "data\ndata/big.bin\ndata/small.txt\nhello.txt\n",
      });
    }
    expect(sha256((await run(["cat", "oci:copy:v7", "data/big.bin"])).stdoutBytes)).toBe(sha256(big));
    const none = await run(["ls", "oci:copy"]);
    expect(none).toMatchObject({ code: 3 });
    expect(none.stderr).toContain("there are v7");
  });
});
