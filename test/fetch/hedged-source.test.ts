import { once } from "node:events";
import { expect, test } from "vitest";
import type { ByteRange } from "../../src/bytes/range.ts";
import type { StreamingSource } from "../../src/bytes/source.ts";
import { hedgedSource } from "../../src/fetch/hedged-source.ts";
import type { Hedges } from "../../src/fetch/hedges.ts";
import type { Seen } from "../support/range-server.ts";
import { blobOf, CONTENT, raw, serve, slice } from "../support/served-blob.ts";

interface Budget extends Hedges {
  readonly seen: { sent: number; observed: number; isOver: boolean };
}

/** Late after a moment, and `budget` second requests in all, from the time on when `when` is true. */
function lateSoon(budget: number, when: () => boolean): Budget {
  const seen = { sent: 0, observed: 0, isOver: false };
  let left = budget;
  return {
    seen,
    lateAfterMs: () => 30,
    sent: () => void (seen.sent += 1),
    observe: () => void (seen.observed += 1),
    take: () => when() && left-- > 0,
    giveUp: () => void (seen.isOver = true),
  };
}

interface Got {
  readonly bytes: Uint8Array;
  readonly offsets: readonly number[];
}

async function gather(source: StreamingSource, range: ByteRange, signal?: AbortSignal): Promise<Got> {
  const pieces: Uint8Array[] = [];
  const offsets: number[] = [];
  let at = range.start;
  await source.stream(
    range,
    (offset, bytes) => {
      expect(offset).toBe(at);
      at += bytes.length;
      offsets.push(offset);
      pieces.push(bytes.slice());
    },
    signal === undefined ? {} : { signal },
  );
  return { bytes: new Uint8Array(Buffer.concat(pieces)), offsets };
}

/** Sends the head of a 206 and `bytes` of its body, and then nothing. */
function stop(seen: Seen, bytes: number): void {
  const { start, end } = seen.range;
  seen.response.writeHead(206, { "content-length": end - start, "content-range": `bytes ${start}-${end - 1}/300000` });
  seen.response.write(slice({ start, end: start + bytes }));
}

const RANGE = { start: 10_000, end: 200_000 };

test("an answer that does not come is asked for once more, and the first request is ended", async () => {
  let closed: Promise<unknown> | undefined;
  const server = await serve({
    handle: (seen, index) => {
      if (index > 0) return seen.serve();
      closed = once(seen.response, "close");
    },
  });
  const hedges = lateSoon(1, () => server.seen.length > 0);
  const { bytes } = await gather(hedgedSource(blobOf(server), { hedges }), RANGE);
  expect(Buffer.compare(bytes, slice(RANGE))).toBe(0);
  expect(server.seen.map((seen) => seen.range)).toEqual([RANGE, RANGE]);
  await closed;
  expect(hedges.seen).toMatchObject({ sent: 1, observed: 1 });
});

test("a body that stops is gone on with from its last byte, over another connection", async () => {
  const ports: (number | undefined)[] = [];
  const server = await serve({
    handle: (seen, index) => {
      ports.push(seen.request.socket.remotePort);
      if (index > 0) return seen.serve();
      stop(seen, 50_000);
    },
  });
  const blob = blobOf(server);
  const { bytes } = await gather(hedgedSource(blob, { hedges: lateSoon(1, () => blob.moved.bytes === 50_000) }), RANGE);
  expect(Buffer.compare(bytes, slice(RANGE))).toBe(0);
  expect(server.seen.map((seen) => seen.range)).toEqual([RANGE, { start: 60_000, end: 200_000 }]);
  expect(new Set(ports).size).toBe(2);
  // Not a byte has moved twice.
  expect(blob.moved).toMatchObject({ requests: 2, bytes: 190_000, retries: 0 });
});

test("a first request that speaks after all goes on alone", async () => {
  let first: Seen | undefined;
  const server = await serve({
    handle: (seen, index) => {
      if (index === 0) first = seen;
      // Once the second is there the first is answered, and the second never is.
      else first?.serve();
    },
  });
  const { bytes } = await gather(
    hedgedSource(blobOf(server), { hedges: lateSoon(5, () => server.seen.length > 0) }),
    RANGE,
  );
  expect(Buffer.compare(bytes, slice(RANGE))).toBe(0);
  expect(server.seen).toHaveLength(2);
});

test("without a budget a late answer is waited for", async () => {
  const server = await serve({ handle: (seen) => void setTimeout(() => seen.serve(), 200) });
  const { bytes } = await gather(
    hedgedSource(blobOf(server), { hedges: lateSoon(0, () => server.seen.length > 0) }),
    RANGE,
  );
  expect(Buffer.compare(bytes, slice(RANGE))).toBe(0);
  expect(server.seen).toHaveLength(1);
});

test("a reader that holds its connection back is not a late answer", async () => {
  const server = await serve();
  let isFirst = true;
  const source = hedgedSource(blobOf(server), { hedges: lateSoon(5, () => server.seen.length > 0) });
  await source.stream(RANGE, () => {
    if (!isFirst) return undefined;
    isFirst = false;
    return new Promise((resolve) => setTimeout(resolve, 200));
  });
  expect(server.seen).toHaveLength(1);
});

test("the second fails: the first is waited for; both fail: the reader is told", async () => {
  let first: Seen | undefined;
  const server = await serve({
    handle: (seen, index) => {
      if (index === 0) first = seen;
      else {
        raw(seen, 404, {});
        setTimeout(() => first?.serve(), 100);
      }
    },
  });
  const { bytes } = await gather(
    hedgedSource(blobOf(server), { hedges: lateSoon(1, () => server.seen.length > 0) }),
    RANGE,
  );
  expect(Buffer.compare(bytes, slice(RANGE))).toBe(0);
  expect(server.seen).toHaveLength(2);

  const broken = await serve({
    handle: (seen, index) => {
      if (index > 0) return raw(seen, 404, {});
      setTimeout(() => raw(seen, 404, {}), 200);
    },
  });
  const failed = gather(hedgedSource(blobOf(broken), { hedges: lateSoon(1, () => broken.seen.length > 0) }), RANGE);
  await expect(failed).rejects.toMatchObject({ code: "not-found" });
  expect(broken.seen).toHaveLength(2);
});

test("a second request does not wait for what the first was to find out", async () => {
  // The first request of a blob finds out where it lies, and others wait for it.
  const server = await serve({ handle: (seen, index) => (index === 0 ? undefined : seen.serve()) });
  const habits = { givesRanges: false };
  const source = hedgedSource(blobOf(server, { habits }), { hedges: lateSoon(2, () => server.seen.length > 0) });
  const both = await Promise.all([gather(source, { start: 0, end: 1000 }), gather(source, { start: 5000, end: 6000 })]);
  expect(both.map(({ bytes }) => bytes.length)).toEqual([1000, 1000]);
  // Either of the two may be late enough to be asked for twice; the first must.
  expect(server.seen.length).toBeLessThanOrEqual(4);
});

test("an answer with the whole blob goes through, and is never asked for twice", async () => {
  const server = await serve({
    handle: (seen) => {
      seen.response.writeHead(200, { "content-length": CONTENT.length });
      seen.response.write(CONTENT.subarray(0, 100_000));
      setTimeout(() => seen.response.end(CONTENT.subarray(100_000)), 200);
    },
  });
  const hedges = lateSoon(5, () => server.seen.length > 0);
  const whole = new Uint8Array(CONTENT.length);
  await hedgedSource(blobOf(server), { hedges }).stream(RANGE, (offset, bytes) => whole.set(bytes, offset));
  expect(Buffer.compare(whole, CONTENT)).toBe(0);
  expect([server.seen.length, hedges.seen.isOver]).toEqual([1, true]);
});

test("the caller's abort ends both requests", async () => {
  const closed: Promise<unknown>[] = [];
  const controller = new AbortController();
  const server = await serve({
    handle: (seen, index) => {
      closed.push(once(seen.response, "close"));
      if (index === 1) controller.abort();
    },
  });
  const source = hedgedSource(blobOf(server), { hedges: lateSoon(1, () => server.seen.length > 0) });
  await expect(gather(source, RANGE, controller.signal)).rejects.toMatchObject({ code: "aborted" });
  await Promise.all(closed);
  expect(server.seen).toHaveLength(2);
});
