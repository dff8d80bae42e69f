import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createHttpClient, type HttpClientOptions } from "../../src/fetch/http-client.ts";
import type { HttpClient, HttpResponse } from "../../src/fetch/http.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function client(options: HttpClientOptions = {}): HttpClient {
  const made = createHttpClient(options);
  cleanups.push(() => made.close());
  return made;
}

async function serve(listener: RequestListener): Promise<{ readonly url: URL }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`) };
}

async function text(response: HttpResponse): Promise<string> {
  let all = "";
  await response.each((bytes) => void (all += Buffer.from(bytes).toString()));
  return all;
}

test("a body that is taken piece by piece: held back, refused, over before it is asked for; no timer is left", async () => {
  const { url } = await serve((_request: IncomingMessage, response: ServerResponse) =>
    response.end("x".repeat(100_000)),
  );
  const http = client({ stallTimeoutMs: 50_000 });
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  let taken = 0;
  await (
    await http.send(url, { kind: "blob" })
  ).each(async (bytes) => {
    await new Promise((resolve) => setImmediate(resolve));
    taken += bytes.length;
  });
  expect(taken).toBe(100_000);

  const late = await http.send(url, { kind: "blob" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  taken = 0;
  await late.each((bytes) => void (taken += bytes.length));
  expect(taken).toBe(100_000);
  expect(timers()).toBeLessThanOrEqual(before);

  const refused = await http.send(url, { kind: "blob" });
  await expect(
    refused.each(() => {
      throw new Error("no more");
    }),
  ).rejects.toThrow("no more");
  await expect(refused.each(() => undefined)).rejects.toMatchObject({ code: "internal" });
  expect((await text(await http.send(url, { kind: "blob" }))).length).toBe(100_000);
});

test("bytes that are held stay what they are, however the server goes on", async () => {
  const size = 4_000_000;
  const right = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 255));
  const { url } = await serve((_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { "content-length": size });
    // Large pieces, then a drip of small ones, again and again: slots of all kinds are in use.
    void (async () => {
      for (let at = 0; at < size;) {
        const large = Math.min(size, at + 150_000);
        response.write(right.subarray(at, large));
        at = large;
        for (let drip = 0; drip < 12 && at < size; drip += 1) {
          response.write(right.subarray(at, at + 700));
          at = Math.min(size, at + 700);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      response.end();
    })();
  });
  const http = client();
  let at = 0;
  let pieces = 0;
  await (
    await http.send(url, { kind: "blob" })
  ).each((bytes) => {
    const start = at;
    at += bytes.length;
    pieces += 1;
    const isRight = (): boolean => right.subarray(start, start + bytes.length).equals(bytes);
    expect(isRight()).toBe(true);
    if (pieces % 3 > 0) return undefined;
    return new Promise<void>((resolve) => setTimeout(resolve, 5)).then(() => expect(isRight()).toBe(true));
  });
  expect(at).toBe(size);
  const kept: Uint8Array[] = [];
  for await (const piece of (await http.send(url, { kind: "blob" })).body) kept.push(piece);
  expect(Buffer.concat(kept).equals(right)).toBe(true);
});
