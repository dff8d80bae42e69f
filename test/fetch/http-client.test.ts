import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";
import { writeFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createHttpClient, type HttpClientOptions } from "../../src/fetch/http-client.ts";
import { failureReason } from "../../src/fetch/http-failure.ts";
import type { HttpClient, HttpResponse } from "../../src/fetch/http.ts";
import { countingMeter, failure } from "../registry/fake-registry.ts";
import { temporaryFolder } from "../support/certificates.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function client(options: HttpClientOptions = {}): HttpClient {
  const made = createHttpClient(options);
  cleanups.push(() => made.close());
  return made;
}

interface Listening {
  readonly url: URL;
  readonly connections: () => number;
}

async function listen(server: Server | TcpServer): Promise<Listening> {
  let connections = 0;
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    connections: () => connections,
  };
}

const serve = (listener: RequestListener): Promise<Listening> => listen(createServer(listener));

async function text(response: HttpResponse): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

describe("exchanges", () => {
  test("asks for identity, sends what it is given, joins repeated headers, counts", async () => {
    const seen: IncomingMessage["headers"][] = [];
    const { url } = await serve((request, response) => {
      seen.push(request.headers);
      response.setHeader("www-authenticate", ['Bearer realm="a"', "Basic"]);
      response.end("hello");
    });
    const { meter, counts } = countingMeter();
    const http = client({ meter, userAgent: "riffle/test" });
    const response = await http.send(new URL("/x?y=1", url), { kind: "blob", headers: { range: "bytes=0-3" } });
    expect(response.status).toBe(200);
    expect(response.headers["www-authenticate"]).toBe('Bearer realm="a", Basic');
    expect(await text(response)).toBe("hello");
    expect(seen[0]).toMatchObject({ "accept-encoding": "identity", range: "bytes=0-3", "user-agent": "riffle/test" });
    expect(counts).toEqual({ requests: ["blob"], bytes: 5, retries: 0 });
  });

  test.each([
    ["/v2/a/blobs/b", "/v2/a/blobs/b"],
    ["/where/a/redirect/led", "/..."],
  ])("tells a log what was asked and answered, without queries: %s", async (path, shown) => {
    const lines: string[] = [];
    const { url } = await serve((_request, response) => void response.writeHead(206).end("0123456789"));
    const http = client({ log: (level, message) => void lines.push(`${level} ${message}`) });
    const headers = { authorization: "x", range: "bytes=0-9" };
    await text(await http.send(new URL(`${path}?sig=secret`, url), { kind: "blob", headers }));
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    expect(lines[0]?.replace(/\d+ ms/, "N ms")).toBe(`debug GET ${url.host}${shown} bytes=0-9: 206, 10 bytes, N ms`);
  });

  test("follows nothing, keeps connections, posts bodies", async () => {
    let body = "";
    const { url, connections } = await serve((request, response) => {
      if (request.method !== "POST") {
        response.writeHead(307, { location: "/elsewhere" }).end();
        return;
      }
      request.on("data", (piece: Buffer) => (body += piece.toString()));
      request.on("end", () => response.end());
    });
    const http = client();
    const answer = await http.send(url, { kind: "manifest" });
    expect([answer.status, answer.headers["location"]]).toEqual([307, "/elsewhere"]);
    answer.discard();
    await text(await http.send(url, { kind: "token", method: "POST", body: "grant_type=x" }));
    expect(body).toBe("grant_type=x");
    expect(connections()).toBe(1);
  });

  test("a body larger than its window arrives whole though the reader is slow", async () => {
    const size = 8 * 1024 * 1024;
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { "content-length": size });
      response.end(Buffer.alloc(size, 7));
    });
    const { meter, counts } = countingMeter();
    const response = await client({ meter }).send(url, { kind: "blob" });
    let sum = 0;
    for await (const piece of response.body) {
      sum += piece.length;
      expect(Buffer.isBuffer(piece)).toBe(false);
      if (sum % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect([sum, counts.bytes]).toEqual([size, size]);
  });

  test("a body nobody reads is held back", async () => {
    const size = 64 * 1024 * 1024;
    const { url } = await serve((_request, response) => void response.end(Buffer.alloc(size)));
    const { meter, counts } = countingMeter();
    const response = await client({ meter }).send(url, { kind: "blob" });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(counts.bytes).toBeLessThan(4 * 1024 * 1024);
    response.discard();
  });

  test("never more connections to an origin than allowed", async () => {
    let active = 0;
    let peak = 0;
    const { url, connections } = await serve((_request, response) => {
      peak = Math.max(peak, (active += 1));
      setTimeout(() => {
        active -= 1;
        response.end("ok");
      }, 5);
    });
    const http = client({ connectionsPerOrigin: 3 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => text(await http.send(url, { kind: "blob" }))),
    );
    expect(answers).toHaveLength(20);
    expect(peak).toBeLessThanOrEqual(3);
    expect(connections()).toBeLessThanOrEqual(3);
  });
});

describe("leaving early", () => {
  test("a small rest is drained and the connection kept, chunked answers too", async () => {
    const { url, connections } = await serve((_request, response) => {
      response.writeHead(401);
      response.write("x".repeat(2000));
      setTimeout(() => response.end("y".repeat(2000)), 20);
    });
    const http = client();
    (await http.send(url, { kind: "manifest" })).discard();
    await new Promise((resolve) => setTimeout(resolve, 120));
    (await http.send(url, { kind: "manifest" })).discard();
    expect(connections()).toBe(1);
  });

  test("a large rest ends the connection, and little of it is received", async () => {
    let aborted = 0;
    const { url } = await serve((_request, response) => {
      response.on("close", () => (aborted += response.writableFinished ? 0 : 1));
      response.writeHead(200, { "content-length": 512 * 1024 * 1024 });
      response.write(Buffer.alloc(1024 * 1024));
    });
    const { meter, counts } = countingMeter();
    const http = client({ meter });
    const response = await http.send(url, { kind: "blob" });
    for await (const piece of response.body) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await expect.poll(() => aborted).toBe(1);
    expect(counts.bytes).toBeLessThan(2 * 1024 * 1024);
  });

  test("the body of a 416 is never waited for", async () => {
    const { url, connections } = await serve((_request, response) => {
      response.writeHead(416, { "content-length": 30_000 });
      response.write("no such range");
    });
    const http = client();
    (await http.send(url, { kind: "blob" })).discard();
    (await http.send(url, { kind: "blob" })).discard();
    expect(connections()).toBe(2);
  });
});

describe("failures", () => {
  test("refused, unknown host, not HTTP, cut short: each named, with the host and without the query", async () => {
    const gone = await listen(createTcpServer());
    const refusedUrl = new URL("/a?token=secret", gone.url);
    for (const cleanup of cleanups.splice(0)) await cleanup();
    const http = client();
    const refused = await failure(http.send(refusedUrl, { kind: "blob" }));
    expect([refused.code, failureReason(refused)]).toEqual(["unreachable", "refused"]);
    expect(refused.message).toContain(refusedUrl.host);
    expect(JSON.stringify([refused.message, refused.facts, refused.hint])).not.toContain("secret");

    const unknown = await failure(http.send(new URL("http://nobody.invalid/"), { kind: "blob" }));
    expect([unknown.code, failureReason(unknown)]).toEqual(["unreachable", "unknown-host"]);

    const chatter = await listen(createTcpServer((socket) => socket.once("data", () => socket.end("SSH-2.0-x\r\n"))));
    expect((await failure(http.send(chatter.url, { kind: "blob" }))).code).toBe("misbehaved");

    const cut = await listen(
      createTcpServer((socket) => {
        socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"));
        socket.on("error", () => {});
      }),
    );
    const response = await http.send(cut.url, { kind: "blob" });
    const iterator = response.body[Symbol.asyncIterator]();
    expect(Buffer.from((await iterator.next()).value ?? []).toString()).toBe("abc");
    expect(failureReason(await failure(iterator.next()))).toBe("reset");
  });

  test("no first byte, and a stall inside the body, end with timeout; the next request works", async () => {
    let mode = "silent";
    const { url } = await serve((_request: IncomingMessage, response: ServerResponse) => {
      if (mode === "stall") {
        response.writeHead(200, { "content-length": 100 });
        response.write("abc");
      } else if (mode === "good") response.end("fine");
    });
    const http = client({ firstByteTimeoutMs: 500, stallTimeoutMs: 500 });
    expect((await failure(http.send(url, { kind: "blob" }))).code).toBe("timeout");
    mode = "stall";
    expect((await failure(http.send(url, { kind: "blob" }).then(text))).code).toBe("timeout");
    mode = "good";
    expect(await text(await http.send(url, { kind: "blob" }))).toBe("fine");
  });

  test("a reader that pauses longer than the stall limit is not a stall", async () => {
    const { url } = await serve((_request, response) => {
      response.write("one");
      setTimeout(() => response.end("two"), 30);
    });
    const response = await client({ stallTimeoutMs: 400 }).send(url, { kind: "blob" });
    const iterator = response.body[Symbol.asyncIterator]();
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(Buffer.from((await iterator.next()).value ?? []).toString()).toBe("two");
    expect((await iterator.next()).done).toBe(true);
  });

  test("an abort ends a request while it waits for a slot, for an answer, and for bytes", async () => {
    const { url } = await serve((request, response) => {
      if (request.url === "/body") response.write("start");
    });
    const http = client({ connectionsPerOrigin: 1 });
    const first = new AbortController();
    const second = new AbortController();
    const waiting = failure(http.send(new URL("/silent", url), { kind: "blob", signal: first.signal }));
    const queued = failure(http.send(new URL("/silent", url), { kind: "blob", signal: second.signal }));
    setTimeout(() => second.abort(), 20);
    expect((await queued).code).toBe("aborted");
    first.abort();
    expect((await waiting).code).toBe("aborted");
    const third = new AbortController();
    const response = await http.send(new URL("/body", url), { kind: "blob", signal: third.signal });
    const reading = failure(text(response));
    setTimeout(() => third.abort(), 20);
    expect((await reading).code).toBe("aborted");
  });

  test("a kept connection that the server dropped is replaced once, and counted as a retry", async () => {
    let answers = 0;
    const { url } = await listen(
      createTcpServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => {
          answers += 1;
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
          socket.once("data", () => socket.destroy());
        });
      }),
    );
    const { meter, counts } = countingMeter();
    const http = client({ meter });
    expect(await text(await http.send(url, { kind: "blob" }))).toBe("ok");
    expect(await text(await http.send(url, { kind: "blob" }))).toBe("ok");
    expect([answers, counts.requests.length, counts.retries]).toEqual([2, 3, 1]);
  });

  test("closed: later requests and open bodies fail as closed", async () => {
    const { url } = await serve((_request, response) => void response.write("x"));
    const http = createHttpClient();
    const response = await http.send(url, { kind: "blob" });
    const iterator = response.body[Symbol.asyncIterator]();
    await iterator.next();
    const next = failure(iterator.next());
    await http.close();
    expect((await next).code).toBe("closed");
    expect((await failure(http.send(url, { kind: "blob" }))).code).toBe("closed");
  });

  test("a certificate file that is missing or holds none is a usage error", async () => {
    const folder = temporaryFolder(cleanups);
    const file = `${folder}/empty.pem`;
    writeFileSync(file, "nothing");
    const url = new URL("https://127.0.0.1:9/");
    expect((await failure(client({ caFile: file }).send(url, { kind: "blob" }))).code).toBe("usage");
    expect((await failure(client({ caFile: `${folder}/none` }).send(url, { kind: "blob" }))).code).toBe("usage");
  });
});
