import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putArtifact, treeOfFiles, type ArtifactFile } from "../support/artifacts.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { manyReaders } from "../support/many-readers.ts";
import { CAN_MOUNT } from "../support/mounted.ts";
import { mountObstacle, run, temporaryFolder } from "../support/processes.ts";
import { hasPython, python } from "../support/python.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";
import { mountTree, storedTree } from "../support/served-tree.ts";

const MIB = 1024 * 1024;
const obstacle = mountObstacle() ?? (hasPython() ? undefined : "no python3");

/** Lines that a shell command prints. */
async function lines(script: string): Promise<readonly string[]> {
  const { status, stdout, stderr } = await run("sh", ["-c", script]);
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.toString().trim().split("\n");
}

describe.skipIf(!CAN_MOUNT)("a tree that was kept in a file (needs root, /dev/fuse and a build)", () => {
  test("100,000 files: listed with sizes, and the second time without asking; little memory", async () => {
    using folder = temporaryFolder("scale");
    const shape = { directories: 100, files: 100_000 };
    await storedTree(join(folder.path, "tree"), shape);
    await using tree = await mountTree(join(folder.path, "tree"));
    expect(tree.rows).toBe(1 + shape.directories + shape.files);
    const walk = `find ${tree.path} -type f -printf '%s\\n' | awk '{ n += 1; s += $1 } END { print n, s }'`;
    const right = [`${shape.files} ${(shape.files * 999) / 2}`];
    expect(await lines(walk)).toEqual(right);
    const before = tree.systemCalls();
    expect(await lines(walk)).toEqual(right);
    // Opening a folder and letting it go, at most; a timer of the process may read, too.
    expect(tree.systemCalls() - before).toBeLessThanOrEqual(2 * shape.directories + 50);
    expect(tree.peakMemory()).toBeLessThan(200e6);
  }, 90_000);

  test("a directory of 200,000 entries is the same for eight who list it at once", async () => {
    using folder = temporaryFolder("scale");
    await storedTree(join(folder.path, "tree"), { directories: 1, files: 200_000 });
    await using tree = await mountTree(join(folder.path, "tree"));
    const list = `ls -1U ${tree.path}/dir-0000`;
    const names = Array.from({ length: 200_000 }, (_, at) => `file-${String(at).padStart(6, "0")}.npy`);
    const listings = await Promise.all(Array.from({ length: 8 }, () => lines(list)));
    for (const found of listings) {
      expect(found.length).toBe(names.length);
      expect(found.every((name, at) => name === names[at])).toBe(true);
    }
    expect(tree.peakMemory()).toBeLessThan(200e6);
  }, 90_000);
});

describe.skipIf(obstacle !== undefined)(`an artifact${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  let home: FaultHome;
  let registry: SpawnedRegistry;
  beforeEach(async () => {
    home = faultHome();
    registry = await spawnRegistry();
  });
  afterEach(async () => {
    try {
      await home.end();
    } finally {
      await registry.close();
    }
  });

  const put = (files: readonly ArtifactFile[]): Promise<{ readonly reference: string }> =>
    putArtifact(registry, { repository: "scale/x", tag: "v" }, { files });
  const mount = async (reference: string, place: string, words: readonly string[] = []): Promise<number> => {
    const { code, stdout, stderr } = await home.riffle(["mount", reference, place, "--json", ...words]);
    expect([code, stderr]).toEqual([0, ""]);
    // what riffle mount --json prints
    return (JSON.parse(stdout) as { pid: number }).pid;
  };
  const unmount = async (place: string): Promise<void> => {
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0, stderr: "" });
  };
  const peak = (pid: number): number =>
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

  test("of 10,000 layers is listed without a blob request, and all of it can be open at once", async () => {
    const { files } = treeOfFiles(10_000);
    const { reference } = await put(files);
    const place = home.place("mnt");
    const pid = await mount(reference, place);
    const sizes = await lines(`find ${place} -type f -printf '%s\\n'`);
    expect(sizes.length).toBe(10_000);
    const { kinds } = await registry.counters();
    expect([kinds.blob.requests, kinds.manifest.requests]).toEqual([0, 1]);

    const opened = python(
      place,
      `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (12000, max(12000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
names = sorted(os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs)
fds = [os.open(name, os.O_RDONLY) for name in names]
heads = [os.pread(fd, 64, 0).split()[1].decode() for fd in fds[::100]]
listed = len(os.listdir(root))
for fd in fds: os.close(fd)
print(json.dumps([len(fds), heads, listed]))
`,
    );
    const heads = Array.from({ length: 100 }, (_, at) => String(at * 100));
    expect(opened).toEqual([10_000, heads, 100]);
    expect((await registry.counters()).kinds.blob.requests).toBe(100);
    expect(peak(pid)).toBeLessThan(450e6);
    await expect.poll(() => readdirSync(`/proc/${pid}/fd`).length, { timeout: 15_000 }).toBeLessThan(200);
    await unmount(place);
  }, 120_000);

  test("is served by 20 daemons from one cache: what one fetched none fetches again", async () => {
    const seed = 55;
    const { reference } = await put([{ title: "a.bin", content: { kind: "noise", seed, size: 8 * MIB } }]);
    const places = Array.from({ length: 20 }, (_, at) => home.place(`mnt-${at}`));
    await Promise.all(places.map((place) => mount(reference, place)));
    const read = (place: string): Promise<readonly number[]> =>
      manyReaders({
        path: join(place, "a.bin"),
        seed,
        pieces: [{ start: 0, end: 8 * MIB }],
        readers: 1,
        how: "pread",
      }).then(({ ends }) => ends);
    const [first = "", ...others] = places;
    expect(await read(first)).toEqual([0]);
    // What the file is was looked at in its head, beside the reader.
    expect((await registry.counters()).kinds.blob.bytes).toBeLessThanOrEqual(8 * MIB + 32 * 1024);
    await registry.reset();
    expect(await Promise.all(others.map(read))).toEqual(others.map(() => [0]));
    expect((await registry.counters()).requests).toBe(0);
    const states = async (): Promise<readonly string[]> => {
      const { stdout } = await home.riffle(["status", "--json"]);
      // what riffle status --json prints
      return (JSON.parse(stdout) as { mounts: readonly { readonly state: string }[] }).mounts.map(({ state }) => state);
    };
    await expect.poll(states, { timeout: 60_000 }).toEqual(places.map(() => "ready"));
    expect(await home.riffle(["unmount", ...places])).toMatchObject({ code: 0, stderr: "" });
  }, 120_000);

  test("of one sparse file of 5 TiB is read at both ends and beyond 2^42", async () => {
    const size = 5 * 2 ** 40 + 12_345;
    const seed = 66;
    // No bytes of this digest are known to anyone: all of them are never held.
    const digest = `sha256:${"5".repeat(64)}`;
    await registry.addBlob(digest, { kind: "noise", seed, size });
    const layer = { mediaType: "application/octet-stream", digest, size };
    const annotations = { "org.opencontainers.image.title": "huge.bin" };
    const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: EMPTY_DIGEST, size: 2 };
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        artifactType: "application/vnd.riffle.test",
        config: empty,
        layers: [{ ...layer, annotations }],
      }),
    );
    await registry.addManifest("scale/x", {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      bytes,
      tag: "huge",
    });
    const place = home.place("mnt");
    await mount(`${registry.host}/scale/x:huge`, place);
    const path = join(place, "huge.bin");
    expect(await lines(`stat -c %s ${path}`)).toEqual([String(size)]);
    const starts = [0, 2 ** 31 - 1000, 2 ** 32 - 1000, 2 ** 42 - 1000, 2 ** 42 + 12_345, 5 * 2 ** 40, size - 5000];
    const pieces = starts.map((start) => ({ start, end: start + 5000 }));
    for (const how of ["pread", "mmap"] as const) {
      const { ends } = await manyReaders({ path, seed, pieces, readers: pieces.length, how });
      expect(ends).toEqual(pieces.map(() => 0));
    }
    const { blob } = (await registry.counters()).kinds;
    expect(blob.requests).toBeLessThanOrEqual(2 * pieces.length);
    expect(blob.bytes).toBeLessThanOrEqual(pieces.length * 300_000);
    expect(allocatedBelow(join(home.path, "cache"))).toBeLessThan(4 * MIB);
    await unmount(place);
  }, 60_000);

  test("has names of 255 bytes in any script", async () => {
    const names = [
      "n".repeat(255),
      `${"é".repeat(127)}x`,
      "e\u0301".repeat(85),
      "名".repeat(85),
      `${"😀".repeat(63)}abc`,
      `${"ש".repeat(126)}xyz`,
      `${"\u{10FFFD}".repeat(63)}end`,
      `-${" ".repeat(253)}-`,
    ];
    expect(names.map((name) => Buffer.byteLength(name))).toEqual(names.map(() => 255));
    const { reference } = await put(
      names.map((title, at) => ({ title, content: { kind: "bytes", bytes: Buffer.from(`file ${at}\n`) } })),
    );
    const place = home.place("mnt");
    await mount(reference, place);
    const found = python(
      place,
      `
names = sorted(os.listdir(root))
print(json.dumps([[name, os.stat(path(name)).st_size, open(path(name)).read()] for name in names]))
`,
    );
    const right = names.map((name, at) => [name, 7, `file ${at}\n`]);
    const byName = (rows: readonly unknown[]): readonly unknown[] =>
      rows.toSorted((a, b) => (String(a) < String(b) ? -1 : 1));
    expect(byName(found as unknown[])).toEqual(byName(right));
    await unmount(place);
  });
});

const EMPTY_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/** Bytes that files below `directory` take on disk. */
function allocatedBelow(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0);
}
