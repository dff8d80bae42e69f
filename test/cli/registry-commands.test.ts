import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact, type BuiltArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { noise } from "../support/content.ts";
import type { RegistryOptions } from "../support/registry/options.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";

const BIG_BYTES = 9 * 1024 * 1024 + 5;
const big = noise(7, { start: 0, end: BIG_BYTES });
const DEFAULTS: Omit<RegistryOptions, "directory"> = { ranges: true, auth: { kind: "none" }, ratePerConnection: 0 };

let registry: RegistryHandle;
let home: Home;
let artifact: BuiltArtifact & { readonly reference: string };

beforeAll(async () => {
  registry = await startRegistry();
  artifact = await putArtifact(
    registry,
    { repository: "eo/scenes", tag: "v1" },
    {
      annotations: { "org.opencontainers.image.created": "2026-01-02T03:04:05Z" },
      files: [
        { title: "data/big.bin", content: { kind: "bytes", bytes: big } },
        { title: "trips.parquet", content: { kind: "bytes", bytes: Buffer.from("PAR1....PAR1") } },
        { title: "../out.txt", content: { kind: "bytes", bytes: Buffer.from("out") } },
        { title: "bad\\name", content: { kind: "bytes", bytes: Buffer.from("bad") } },
      ],
    },
  );
});
afterAll(() => registry.close());
beforeEach(async () => {
  home = createHome();
  await registry.configure(DEFAULTS);
  await registry.reset();
});
afterEach(() => home.remove());

const run = (words: readonly string[], input?: string): Promise<Outcome> =>
  riffle(words, { home, ...(input !== undefined && { input }) });
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe("reading", () => {
  test("ls asks for the manifest alone", async () => {
    const { code, stdout } = await run(["ls", "-R", "--json", artifact.reference]);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as { path: string; type: string });
    expect(entries.map(({ path }) => path)).toEqual(["data", "data/big.bin", "out.txt", "trips.parquet"]);
    expect(JSON.parse(lines[1] ?? "")).toEqual({
      path: "data/big.bin",
      type: "file",
      size: BIG_BYTES,
      mode: 0o444,
      mtime: Date.parse("2026-01-02T03:04:05Z") / 1000,
      digest: sha256(big),
    });
    const { requests, kinds } = await registry.counters();
    expect([requests, kinds.manifest.requests]).toEqual([1, 1]);
  });

  test("ls of a directory, of a file, and through a filter", async () => {
    expect((await run(["ls", artifact.reference])).stdout).toBe("data\nout.txt\ntrips.parquet\n");
    expect((await run(["ls", artifact.reference, "/data/"])).stdout).toBe("big.bin\n");
    expect((await run(["ls", artifact.reference, "data/big.bin"])).stdout).toBe("data/big.bin\n");
    expect((await run(["ls", "-R", "--include", "*.parquet", artifact.reference])).stdout).toBe("trips.parquet\n");
    expect(await run(["ls", artifact.reference, "nope"])).toMatchObject({ code: 3, stdout: "" });
  });

  test.each([
    ["100-200", 100, 200],
    ["-7", BIG_BYTES - 7, BIG_BYTES],
    [`${BIG_BYTES - 3}-`, BIG_BYTES - 3, BIG_BYTES],
    ["5-5", 5, 5],
  ])("cat --range %s", async (range, start, end) => {
    const { code, stdoutBytes } = await run(["cat", "--range", range, artifact.reference, "data/big.bin"]);
    expect(code).toBe(0);
    expect(Buffer.compare(stdoutBytes, big.subarray(start, end))).toBe(0);
    const { kinds } = await registry.counters();
    expect(kinds.blob.requests).toBeLessThanOrEqual(1);
    expect(kinds.blob.bytes).toBeLessThanOrEqual(300_000);
  });

  test("cat of several files, and none of them when one is wrong", async () => {
    const both = await run(["cat", artifact.reference, "trips.parquet", "data/big.bin"]);
    expect(sha256(both.stdoutBytes)).toBe(sha256(Buffer.concat([Buffer.from("PAR1....PAR1"), big])));
    expect(await run(["cat", artifact.reference, "trips.parquet", "data"])).toMatchObject({ code: 2, stdout: "" });
  });

  test("inspect tells names, omissions and abilities", async () => {
    const { code, stdout } = await run(["inspect", "--json", artifact.reference]);
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as Record<string, unknown>;
    expect(found).toMatchObject({
      digest: artifact.descriptor.digest,
      tree: { files: 3, directories: 1, symlinks: 0, size: BIG_BYTES + 15 },
      formats: { Parquet: 1 },
      registry: { kind: "registry", scheme: "http", ranges: "partial", authentication: "anonymous" },
      warnings: [{ original: "../out.txt", name: "out.txt" }, { original: "bad\\\\name" }],
    });
    expect((found["layers"] as { path: string | null }[]).map(({ path }) => path)).toEqual([
      "data/big.bin",
      "trips.parquet",
      "out.txt",
      null,
    ]);
    expect((await registry.counters()).kinds.blob.bytes).toBeLessThan(10);
  });

  test("doctor sees a registry without ranges", async () => {
    await registry.configure({ ranges: false });
    const { stdout } = await run(["doctor", "--json", artifact.reference]);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; remedy?: string }[] };
    expect(checks.find(({ name }) => name === "ranges")).toMatchObject({ status: "warn" });
    for (const { status, remedy } of checks) if (status !== "ok") expect(remedy).toBeTruthy();
  });
});

describe("failures", () => {
  test.each([
    ["a tag that is not there", ":v9", 3],
    ["a digest that is not there", `@sha256:${"0".repeat(64)}`, 3],
  ])("%s", async (_, end, code) => {
    const reference = `${registry.host}/eo/scenes${end}`;
    expect(await run(["ls", reference])).toMatchObject({ code, stdout: "" });
  });

  test("a registry that says nothing is left within --timeout", async () => {
    const silent = createServer((socket) => void socket.on("error", () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { code, stderr } = await run(["ls", `127.0.0.1:${port}/a/b:c`, "--timeout", "1s"]);
    silent.close();
    expect(code).toBe(7);
    expect(stderr).toMatch(/^riffle: ls: .+\n$/);
  });

  test("a blob that is not what its digest says never gets a name", async () => {
    const wrong = await putArtifact(
      registry,
      { repository: "eo/wrong", tag: "v1" },
      { files: [{ title: "a.bin", content: { kind: "bytes", bytes: Buffer.from("right") } }] },
    );
    await registry.addBlob(wrong.layers[0]?.digest ?? "sha256:", { kind: "bytes", bytes: Buffer.from("wrong") });
    const out = join(home.path, "out");
    expect(await run(["pull", wrong.reference, "-o", out])).toMatchObject({ code: 6 });
    expect(readdirSync(out)).toEqual([]);
    mkdirSync(join(home.path, "copy"));
    expect(await run(["cp", wrong.reference, "a.bin", "copy"])).toMatchObject({ code: 6 });
    expect(existsSync(join(home.path, "copy/a.bin"))).toBe(false);
  });
});

describe("copying out", () => {
  const files = (folder: string): readonly string[] =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => statSync(join(folder, path)).isFile())
      .toSorted();

  test.each([
    ["with ranges", {}],
    ["without ranges", { ranges: false }],
    ["by redirects", { redirect: {} }],
  ])("pull %s moves every byte once", async (_, change) => {
    await registry.configure(change);
    const out = join(home.path, "out");
    expect(await run(["pull", artifact.reference, "-o", out])).toMatchObject({ code: 0 });
    expect(files(out)).toEqual(["data/big.bin", "out.txt", "trips.parquet"]);
    expect(Buffer.compare(readFileSync(join(out, "data/big.bin")), big)).toBe(0);
    expect(statSync(join(out, "data/big.bin")).mode & 0o777).toBe(0o444);
    expect((await registry.counters()).kinds.blob.bytes).toBe(BIG_BYTES + 15);
    await registry.configure({ redirect: false });
    await registry.reset();
    expect(await run(["pull", artifact.reference, "-o", out, "--json"])).toMatchObject({ code: 0 });
    expect((await registry.counters()).kinds.blob.requests).toBe(0);
  });

  test("a pull that is stopped goes on where it was", async () => {
    await registry.configure({ ratePerConnection: 2 * 1024 * 1024 });
    const out = join(home.path, "out");
    const stopped = await riffle(["pull", artifact.reference, "-o", out], {
      home,
      onStart: (pid) => {
        const look = setInterval(() => {
          const parts = existsSync(join(out, "data")) ? readdirSync(join(out, "data")) : [];
          const size = parts.map((name) => statSync(join(out, "data", name)).size)[0] ?? 0;
          if (size < 1024 * 1024) return;
          clearInterval(look);
          process.kill(pid, "SIGINT");
        }, 20);
      },
    });
    expect(stopped).toMatchObject({ code: 130, signal: null });
    expect(files(out)).not.toContain("data/big.bin");
    const [part = ""] = readdirSync(join(out, "data"));
    expect(part).toMatch(/\.part$/);
    const kept = statSync(join(out, "data", part)).size;
    expect(kept).toBeGreaterThanOrEqual(1024 * 1024);
    await registry.configure({ ratePerConnection: 0 });
    await registry.reset();
    expect(await run(["pull", artifact.reference, "-o", out])).toMatchObject({ code: 0 });
    expect(sha256(readFileSync(join(out, "data/big.bin")))).toBe(sha256(big));
    expect((await registry.counters()).kinds.blob.bytes).toBeLessThanOrEqual(BIG_BYTES + 15 - kept);
  });

  test("pull --layout makes an artifact that can be used, omitted layers and all", async () => {
    const layout = join(home.path, "layout");
    expect(await run(["pull", "--layout", "-o", layout, artifact.reference])).toMatchObject({ code: 0 });
    expect((await run(["ls", `oci:${layout}:v1`])).stdout).toBe("data\nout.txt\ntrips.parquet\n");
    for (const { digest } of artifact.layers) {
      const blob = readFileSync(join(layout, "blobs", digest.replace(":", "/")));
      expect(sha256(blob)).toBe(digest);
    }
  });

  test("cp of a file, a directory, everything; what differs stays unless forced", async () => {
    const out = join(home.path, "out");
    mkdirSync(out);
    const reference = artifact.reference;
    expect(await run(["cp", reference, "trips.parquet", "data", out])).toMatchObject({ code: 0 });
    expect(files(out)).toEqual(["data/big.bin", "trips.parquet"]);
    expect(await run(["cp", reference, "trips.parquet", join(out, "renamed")])).toMatchObject({ code: 0 });
    expect(readFileSync(join(out, "renamed"), "utf8")).toBe("PAR1....PAR1");
    writeFileSync(join(out, "renamed"), "mine");
    expect(await run(["cp", reference, "trips.parquet", join(out, "renamed")])).toMatchObject({ code: 1 });
    expect(readFileSync(join(out, "renamed"), "utf8")).toBe("mine");
    expect(await run(["cp", "--force", reference, "trips.parquet", join(out, "renamed")])).toMatchObject({ code: 0 });
    expect(await run(["cp", "--exclude", "*.bin", reference, ".", join(out, "all")])).toMatchObject({ code: 0 });
    expect(files(join(out, "all"))).toEqual(["out.txt", "trips.parquet"]);
    expect(await run(["cp", reference, "trips.parquet"])).toMatchObject({ code: 2 });
  });
});

describe("credentials", () => {
  const auth = { kind: "bearer", username: "me", password: "s3cret pass" } as const;
  beforeEach(() => registry.configure({ auth }));

  test("missing and wrong ones are 4; right ones from stdin open the door", async () => {
    expect(await run(["ls", artifact.reference])).toMatchObject({ code: 4, stdout: "" });
    const flags = ["--username", "me", "--password-stdin"];
    const wrong = await run(["ls", artifact.reference, ...flags, "--json"], "wrong\n");
    expect(wrong.code).toBe(4);
    expect(wrong.stdout + wrong.stderr).not.toContain("wrong");
    expect(await run(["ls", artifact.reference, ...flags], "s3cret pass\nmore")).toMatchObject({ code: 0 });
    expect(await run(["ls", artifact.reference, ...flags], "")).toMatchObject({ code: 2 });
  });

  test("login proves and stores, logout forgets", async () => {
    const flags = ["--username", "me", "--password-stdin"];
    expect(await run(["login", registry.host, ...flags], "wrong")).toMatchObject({ code: 4 });
    expect(existsSync(join(home.path, ".docker/config.json"))).toBe(false);
    const done = await run(["login", registry.host, ...flags], "s3cret pass\n");
    expect(done).toMatchObject({ code: 0 });
    expect(done.stdout + done.stderr).not.toContain("s3cret");
    expect(statSync(join(home.path, ".docker/config.json")).mode & 0o777).toBe(0o600);
    expect(await run(["ls", artifact.reference])).toMatchObject({ code: 0 });
    expect(await run(["logout", registry.host])).toMatchObject({ code: 0 });
    expect(await run(["ls", artifact.reference])).toMatchObject({ code: 4 });
    expect(await run(["logout", registry.host])).toMatchObject({ code: 3 });
  });

  test("--registry-config is the one place", async () => {
    const file = join(home.path, "auth.json");
    const entry = { auth: Buffer.from("me:s3cret pass").toString("base64") };
    writeFileSync(file, JSON.stringify({ auths: { [registry.host]: entry } }));
    expect(await run(["ls", artifact.reference, "--registry-config", file])).toMatchObject({ code: 0 });
  });
});

test("a log file and -vv show requests, without their queries", async () => {
  const file = join(home.path, "logs/riffle.log");
  const { stderr } = await run(["cat", "-vv", "--log-file", file, artifact.reference, "trips.parquet"]);
  for (const text of [stderr, readFileSync(file, "utf8")]) {
    expect(text).toContain("/v2/eo/scenes/");
    expect(text).not.toContain("?");
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
