import { expect, test } from "vitest";
import type { Seen } from "../support/range-server.ts";
import { blobOf, CONTENT, part, raw, serve, slice } from "../support/served-blob.ts";

test("a read is one closed range, cut at the size, and asks for no encoding", async () => {
  const server = await serve();
  const blob = blobOf(server);
  expect(await blob.read({ start: 100, end: 5000 })).toEqual(slice({ start: 100, end: 5000 }));
  expect(await blob.read({ start: 299_000, end: 999_999 })).toEqual(slice({ start: 299_000, end: 300_000 }));
  expect(await blob.read({ start: 300_000, end: 300_001 })).toEqual(new Uint8Array(0));
  expect(await blob.read({ start: 7, end: 7 })).toEqual(new Uint8Array(0));
  expect(server.seen.map((seen) => `${seen.method} ${seen.rangeHeader}`)).toEqual([
    "GET bytes=100-4999",
    "GET bytes=299000-299999",
  ]);
  expect(server.seen[0]?.request.headers["accept-encoding"]).toBe("identity");
  expect(blob.moved).toMatchObject({ requests: 2, bytes: 5900, retries: 0 });
  await expect(blob.read({ start: 5, end: 4 })).rejects.toMatchObject({ code: "usage" });
});

test("readMany joins what touches and answers in the order asked", async () => {
  const server = await serve();
  const asked = [
    { start: 200_000, end: 200_100 },
    { start: 0, end: 10 },
    { start: 5, end: 20 },
    { start: 30, end: 30 },
  ];
  expect(await blobOf(server).readMany(asked)).toEqual(asked.map(slice));
  expect(server.seen.map((seen) => seen.rangeHeader).toSorted((a, b) => (a ?? "").localeCompare(b ?? ""))).toEqual([
    "bytes=0-19",
    "bytes=200000-200099",
  ]);
});

test.each<[string, string, number, (seen: Seen) => void]>([
  [
    "another range",
    "misbehaved",
    1,
    (seen) => part(seen, slice({ start: 0, end: 100 }), { "content-range": `bytes 0-99/${CONTENT.length}` }),
  ],
  [
    "a part of another size of blob",
    "verification",
    1,
    (seen) => part(seen, slice(seen.range), { "content-range": "bytes 100-199/299999" }),
  ],
  ["a part that does not say which", "misbehaved", 1, (seen) => raw(seen, 206, {}, slice(seen.range))],
  [
    "a length that is not the range's",
    "misbehaved",
    1,
    (seen) => part(seen, slice({ start: 100, end: 150 }), { "content-length": 50 }),
  ],
  [
    "several parts",
    "misbehaved",
    1,
    (seen) => part(seen, slice(seen.range), { "content-type": "multipart/byteranges; boundary=x" }),
  ],
  ["gzip", "misbehaved", 1, (seen) => part(seen, slice(seen.range), { "content-encoding": "gzip" })],
  [
    "a web page",
    "misbehaved",
    1,
    (seen) => raw(seen, 200, { "content-type": "text/html; charset=utf-8" }, "<html>sign in</html>"),
  ],
  ["a whole blob of another size", "verification", 1, (seen) => raw(seen, 200, { "content-length": 5 }, "hello")],
  [
    "416 with a body that never comes",
    "verification",
    1,
    (seen) => seen.response.writeHead(416, { "content-length": 300_000 }).write("x"),
  ],
  ["404", "not-found", 1, (seen) => raw(seen, 404, {})],
  ["400", "misbehaved", 1, (seen) => raw(seen, 400, {})],
  ["403", "credentials", 1, (seen) => raw(seen, 403, {})],
  ["429 for ever", "misbehaved", 5, (seen) => raw(seen, 429, {})],
  ["503 for ever", "misbehaved", 5, (seen) => raw(seen, 503, {})],
  ["nothing but resets", "unreachable", 5, (seen) => void seen.response.destroy()],
])("%s is %s after %i requests", async (_what, code, requests, handle) => {
  const server = await serve({ handle });
  const failed = blobOf(server).read({ start: 100, end: 200 });
  await expect(failed).rejects.toMatchObject({ code, facts: { host: server.url.host } });
  expect(server.seen).toHaveLength(requests);
});

test("a blob that is longer than its descriptor is an error, not a longer file", async () => {
  const server = await serve();
  const blob = blobOf(server, { size: 299_999 });
  await expect(blob.read({ start: 0, end: 10 })).rejects.toMatchObject({
    code: "verification",
    facts: { expected: 299_999, actual: 300_000 },
  });
});

test("a body cut short goes on from the byte where it ended", async () => {
  const server = await serve({
    handle: (seen, index) => {
      if (index > 2) return seen.serve();
      const { start, end } = seen.range;
      // Without a length: the client cannot tell by itself. With one: the connection breaks.
      if (index === 0) return part(seen, slice({ start, end: start + 1000 }));
      seen.response.writeHead(206, {
        "content-length": end - start,
        "content-range": `bytes ${start}-${end - 1}/300000`,
      });
      seen.response.write(slice({ start, end: start + 500 }), () => seen.response.destroy());
    },
  });
  const blob = blobOf(server);
  const got: [number, number][] = [];
  await blob.stream({ start: 10_000, end: 20_000 }, (offset, bytes) => {
    expect(Buffer.compare(bytes, slice({ start: offset, end: offset + bytes.length }))).toBe(0);
    got.push([offset, offset + bytes.length]);
  });
  expect(server.seen.map((seen) => seen.range.start)).toEqual([10_000, 11_000, 11_500, 12_000]);
  expect(got[0]?.[0]).toBe(10_000);
  expect(got.at(-1)?.[1]).toBe(20_000);
  expect(got.every(([start], index) => index === 0 || start === got[index - 1]?.[1])).toBe(true);
  expect(blob.moved.retries).toBe(3);
});

test("a body without an end is cut off, and what lies behind the range is never given", async () => {
  const server = await serve({
    handle: (seen) => {
      seen.response.writeHead(206, { "content-range": `bytes ${seen.range.start}-${seen.range.end - 1}/300000` });
      const more = (): void => {
        if (!seen.response.destroyed) seen.response.write(new Uint8Array(40_000), () => setImmediate(more));
      };
      more();
    },
  });
  let last = 0;
  const sink = (offset: number, bytes: Uint8Array): void => void (last = Math.max(last, offset + bytes.length));
  await expect(blobOf(server).stream({ start: 0, end: 100_000 }, sink)).rejects.toMatchObject({ code: "misbehaved" });
  expect(last).toBeLessThanOrEqual(100_000);
  expect(server.seen.length).toBeLessThanOrEqual(5);
});

test("a 200 is the whole blob: all of it goes to the sink, a read takes its part and hangs up", async () => {
  const server = await serve({ handle: (seen) => raw(seen, 200, { "content-length": CONTENT.length }, CONTENT) });
  const blob = blobOf(server);
  const whole = new Uint8Array(CONTENT.length);
  await blob.stream({ start: 1000, end: 2000 }, (offset, bytes) => whole.set(bytes, offset));
  expect(Buffer.compare(whole, CONTENT)).toBe(0);
  expect(await blob.read({ start: 1000, end: 2000 })).toEqual(slice({ start: 1000, end: 2000 }));
  expect(server.seen).toHaveLength(2);
});

test("a 200 without a length that goes on behind the size is no blob of ours", async () => {
  const server = await serve({ handle: (seen) => raw(seen, 200, {}, Buffer.concat([CONTENT, CONTENT])) });
  const failed = blobOf(server).stream({ start: 0, end: CONTENT.length }, () => {});
  await expect(failed).rejects.toMatchObject({ code: "verification" });
  expect(server.seen).toHaveLength(1);
});

test("waits grow, are jittered, and Retry-After is honoured within the time limit", async () => {
  const waits: number[] = [];
  const server = await serve({
    handle: (seen, index) =>
      index === 1 ? raw(seen, 429, { "retry-after": "2" }) : index < 4 ? raw(seen, 500, {}) : seen.serve(),
  });
  const sleep = async (ms: number): Promise<void> => void waits.push(ms);
  await blobOf(server, { sleep }).read({ start: 0, end: 1 });
  expect(waits).toEqual([75, 2000, 300, 600]);
  const busy = await serve({ handle: (seen) => raw(seen, 429, { "retry-after": "3600" }) });
  await expect(blobOf(busy, { sleep }).read({ start: 0, end: 1 })).rejects.toMatchObject({ facts: { status: 429 } });
  expect(busy.seen).toHaveLength(1);
});

test("the time limit ends a stalled exchange", async () => {
  const server = await serve({ handle: () => {} });
  await expect(blobOf(server, { timeoutMs: 30 }).read({ start: 0, end: 1 })).rejects.toMatchObject({ code: "timeout" });
});

test("an abort ends the exchange with its reason and sends nothing more", async () => {
  const controller = new AbortController();
  const server = await serve({ handle: () => controller.abort() });
  const failed = blobOf(server).read({ start: 0, end: 1 }, { signal: controller.signal });
  await expect(failed).rejects.toMatchObject({ code: "aborted" });
  await expect(blobOf(server).read({ start: 0, end: 1 }, { signal: controller.signal })).rejects.toMatchObject({
    code: "aborted",
  });
  expect(server.seen).toHaveLength(1);
});
