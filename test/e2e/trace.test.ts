import { readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ByteRange } from "../../src/bytes/range.ts";
import { subtractRanges } from "../../src/bytes/range.ts";
import type { ReadEvent, RequestEvent, TraceEvent } from "../../src/fetch/trace.ts";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

const PASSWORD = "s3cret-of-traces";
const BIG_BYTES = 5 * 1024 * 1024 + 7;
const obstacle = mountObstacle();
const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;

let registry: SpawnedRegistry;
let home: FaultHome;
let reference: string;

beforeEach(async () => {
  home = faultHome();
  registry = await spawnRegistry({ redirect: {}, auth: { kind: "bearer", username: "me", password: PASSWORD } });
  const place = { repository: "e2e/traced", tag: "v1" };
  const files = [
    { title: "data/big.bin", content: { kind: "bytes" as const, bytes: noise(5, { start: 0, end: BIG_BYTES }) } },
  ];
  await registry.configure({ auth: { kind: "none" } });
  ({ reference } = await putArtifact(registry, place, { files }));
  await registry.configure({ auth: { kind: "bearer", username: "me", password: PASSWORD } });
});
afterEach(async () => {
  await registry.close();
  await home.end();
});

const FLAGS = ["--username", "me", "--password-stdin", "--timeout", "5s"];

/** The lines of a trace; every one has its time. */
function eventsOf(file: string): readonly (TraceEvent & { readonly t: number })[] {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  // written by the code under test, in the shape that is asserted below
  const events = lines.map((line) => JSON.parse(line) as TraceEvent & { readonly t: number });
  expect(events.every(({ t }) => typeof t === "number" && t >= 0)).toBe(true);
  return events;
}

const readsOf = (events: readonly TraceEvent[]): readonly ReadEvent[] => events.filter((one) => one.type === "read");
const requestsOf = (events: readonly TraceEvent[]): readonly RequestEvent[] =>
  events.filter((one) => one.type === "request");

function rangeOf({ range = "" }: RequestEvent): ByteRange {
  const [, first = "0", last = "-1"] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  return { start: Number(first), end: Number(last) + 1 };
}

/** Bytes of reads that missed which no request that is joined to them brought. */
function unexplained(events: readonly TraceEvent[]): readonly ByteRange[] {
  const before: ByteRange[] = [];
  return readsOf(events).flatMap((read) => {
    const joined = requestsOf(events).filter(({ reads, status }) => reads.includes(read.id) && status === 206);
    const brought = joined.map(rangeOf);
    if (read.missed > 0) expect(joined.length).toBeGreaterThan(0);
    // What was there before was brought for reads before it, or ahead of them.
    const ahead = requestsOf(events).filter(({ reads }) => reads.length === 0);
    const rest = [{ start: read.start, end: read.end }].flatMap((range) =>
      subtractRanges(
        range,
        [...brought, ...before, ...ahead.map(rangeOf)].sort((a, b) => a.start - b.start),
      ),
    );
    before.push(...brought);
    return rest;
  });
}

test.skipIf(obstacle !== undefined)(
  `a trace joins every read of a mount with the requests that brought its bytes${skipped}`,
  async () => {
    const dir = home.place("mnt");
    const words = ["mount", reference, "mnt", "--trace", "trace.jsonl", ...FLAGS];
    expect(await home.riffle(words, { input: PASSWORD })).toMatchObject({ code: 0 });
    const file = join(dir, "data/big.bin");
    const parts = [
      [0, 4],
      [300, 20],
      [301, 2],
      [1200, 30],
    ];
    const script = parts.map(
      ([at, count]) => `dd if=${file} bs=4096 skip=${at} count=${count} iflag=fullblock status=none`,
    );
    // The second round has everything in the cache.
    await home.sh([...script, ...script].map((line) => `${line} | cat > /dev/null`).join("\n"));
    const status = await home.riffle(["status", "mnt", "--json"]);
    expect(await home.riffle(["unmount", "mnt"])).toMatchObject({ code: 0 });
    const [stats] = (JSON.parse(status.stdout) as { mounts: readonly Record<string, unknown>[] }).mounts;
    const trace = join(home.path, "trace.jsonl");
    expect(statSync(trace).mode & 0o777).toBe(0o600);
    const events = eventsOf(trace);
    expect(events[0]).toMatchObject({ type: "start", version: 1, reference });
    const reads = readsOf(events);
    const requests = requestsOf(events);
    expect(new Set([...reads, ...requests].map(({ id }) => id)).size).toBe(reads.length + requests.length);
    expect({
      reads: reads.length,
      bytesRead: reads.reduce((sum, { bytes }) => sum + bytes, 0),
      bytesFromCache: reads.reduce((sum, { bytes, missed }) => sum + bytes - missed, 0),
      requests: requests.length,
      bytesFetched: requests.reduce((sum, { bytes }) => sum + bytes, 0),
    }).toEqual({
      reads: stats?.["reads"],
      bytesRead: stats?.["bytesRead"],
      bytesFromCache: stats?.["bytesFromCache"],
      requests: stats?.["requests"],
      bytesFetched: stats?.["bytesFetched"],
    });
    expect(unexplained(events)).toEqual([]);
    expect(reads.some(({ from }) => from === "fetch")).toBe(true);
    const half = reads.slice(reads.length / 2);
    expect(new Set(half.map(({ from, missed, path }) => `${from} ${missed} ${path}`))).toEqual(
      new Set(["cache 0 data/big.bin"]),
    );
    expect(new Set(requests.map((one) => `${one.kind} ${one.status}`))).toEqual(
      new Set(["manifest 401", "token 200", "manifest 200", "blob 307", "blob 206"]),
    );
    const text = readFileSync(trace, "utf8");
    for (const secret of [PASSWORD, Buffer.from(`me:${PASSWORD}`).toString("base64"), "Signature", "/storage/", "?"])
      expect(text).not.toContain(secret);
  },
);

test.skipIf(obstacle !== undefined)(`a trace says what a read that failed became${skipped}`, async () => {
  const dir = home.place("mnt");
  const words = ["mount", reference, dir, "--trace", "trace.jsonl", ...FLAGS];
  expect(await home.riffle(words, { input: PASSWORD })).toMatchObject({ code: 0 });
  await registry.close();
  expect((await home.sh(`cat ${dir}/data/big.bin > /dev/null`)).status).not.toBe(0);
  expect(await home.riffle(["unmount", dir])).toMatchObject({ code: 0 });
  const events = eventsOf(join(home.path, "trace.jsonl"));
  const failed = readsOf(events).find(({ error }) => error !== undefined);
  expect(failed).toMatchObject({ error: "unreachable", errno: "EIO", bytes: 0, from: "fetch" });
  const tries = requestsOf(events).filter(({ reads }) => reads.includes(failed?.id ?? -1));
  expect(tries.length).toBeGreaterThan(1);
  expect(new Set(tries.map(({ error, status }) => `${error} ${status}`))).toEqual(new Set(["unreachable undefined"]));
});

test("a command traces too, and appends to what is there", async () => {
  const trace = join(home.path, "trace.jsonl");
  for (let round = 1; round <= 2; round += 1) {
    const words = ["cat", reference, "data/big.bin", "--range", "10-30", "--no-cache", "--trace", trace, ...FLAGS];
    expect(await home.riffle(words, { input: PASSWORD })).toMatchObject({ code: 0 });
    const events = eventsOf(trace);
    expect(events.filter(({ type }) => type === "start")).toHaveLength(round);
    expect(readsOf(events)).toHaveLength(round);
    expect(readsOf(events)[0]).toMatchObject({ path: "data/big.bin", start: 10, end: 30, bytes: 20, missed: 20 });
  }
});

test("a trace is not written through a symbolic link, nor into anything but a file", async () => {
  const link = join(home.path, "link");
  const target = join(home.path, "target");
  writeFileSync(target, "");
  symlinkSync(target, link);
  for (const trace of [link, home.path, "/dev/null", join(home.path, "missing/trace")]) {
    const outcome = await home.riffle(["ls", reference, "--trace", trace, ...FLAGS], { input: PASSWORD });
    expect(outcome).toMatchObject({ code: 8, stdout: "" });
    expect(outcome.stderr).toContain("trace file");
  }
  expect(readFileSync(target, "utf8")).toBe("");
});
