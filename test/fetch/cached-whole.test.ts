import { expect, test } from "vitest";
import { BLOB, cachedBench, expectBytes, MIB, of, until } from "../support/cached-bench.ts";
import type { Seen } from "../support/range-server.ts";

/** A registry that knows no ranges: gives the whole blob, `bytes` at first and the rest when told. */
function wholeServer(bytes: number): { readonly handle: (seen: Seen) => void; readonly finish: () => void } {
  const held: (() => void)[] = [];
  let isOpen = bytes >= BLOB.length;
  return {
    handle: ({ response }) => {
      response.writeHead(200, { "content-length": BLOB.length });
      response.write(BLOB.subarray(0, bytes));
      if (isOpen) response.end(BLOB.subarray(bytes));
      else held.push(() => void response.end(BLOB.subarray(bytes)));
    },
    finish: () => {
      isOpen = true;
      for (const rest of held.splice(0)) rest();
    },
  };
}

test("readers of a registry without ranges share one stream", async () => {
  const registry = wholeServer(MIB);
  const { cached, server } = await cachedBench({ handle: registry.handle });
  const first = cached.read(of(100, 100));
  const later = [cached.read(of(10 * MIB, 4096)), cached.read(of(20 * MIB, 4096)), cached.read(of(15 * MIB, 4096))];
  expectBytes(await first, of(100, 100));
  const last = cached.read(of(BLOB.length - 10, 10));
  await until(() => server.seen.filter((seen) => !seen.response.destroyed).length === 1);
  registry.finish();
  expectBytes((await later[0]) ?? BLOB, of(10 * MIB, 4096));
  expectBytes((await later[1]) ?? BLOB, of(20 * MIB, 4096));
  expectBytes((await later[2]) ?? BLOB, of(15 * MIB, 4096));
  expectBytes(await last, of(BLOB.length - 10, 10));
  expect(server.seen.length).toBeLessThanOrEqual(4);
});

test("a whole blob that nobody waits for is left at the first time, and taken to its end at the second", async () => {
  const registry = wholeServer(2 * MIB);
  const { cached, server, entry } = await cachedBench({ handle: registry.handle });
  expectBytes(await cached.read(of(0, MIB + 1)), of(0, MIB + 1));
  await until(() => server.seen[0]?.response.destroyed === true);
  expect(entry.heldBytes).toBeLessThan(4 * MIB);
  const second = cached.read(of(3 * MIB, 100));
  await until(() => server.seen.length === 2);
  registry.finish();
  expectBytes(await second, of(3 * MIB, 100));
  await until(() => entry.heldBytes === BLOB.length);
  expect(server.seen).toHaveLength(2);
});

test("the last megabytes of a whole blob are taken though nobody waits for them", async () => {
  const registry = wholeServer(BLOB.length);
  const { cached, server, entry } = await cachedBench({ handle: registry.handle });
  expectBytes(await cached.read(of(20 * MIB, 100)), of(20 * MIB, 100));
  await until(() => entry.heldBytes === BLOB.length);
  expect(server.seen).toHaveLength(1);
});

test("frugal takes nothing that nobody asked for", async () => {
  const registry = wholeServer(22 * MIB);
  const { cached, server } = await cachedBench({ handle: registry.handle }, { frugal: true });
  expectBytes(await cached.read(of(20 * MIB, 100)), of(20 * MIB, 100));
  await until(() => server.seen[0]?.response.destroyed === true);
});

test("a slow cache holds a whole blob back instead of keeping it in memory", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  const registry = wholeServer(BLOB.length);
  const { cached, entry } = await cachedBench({ handle: registry.handle }, { cache: { beforeWrite: () => gate } });
  const last = cached.read(of(24 * MIB, 100));
  await until(() => entry.written > 16 * MIB);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(entry.written).toBeLessThanOrEqual(17 * MIB);
  open();
  expectBytes(await last, of(24 * MIB, 100));
});

test("a registry that gives ranges once its own cache is warm is asked for ranges again", async () => {
  const registry = wholeServer(2 * MIB);
  const { cached, server } = await cachedBench({
    handle: (seen, index) => (index === 0 ? registry.handle(seen) : seen.serve()),
  });
  expectBytes(await cached.read(of(MIB, 100)), of(MIB, 100));
  for (let index = 0; index < 8; index++) {
    expectBytes(await cached.read(of((4 + index) * MIB, 100)), of((4 + index) * MIB, 100));
  }
  expect(server.seen.slice(1).map((seen) => seen.range.end - seen.range.start)).toEqual(
    Array.from({ length: 8 }, () => 4096),
  );
});
