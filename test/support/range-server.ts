import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ByteRange } from "../../src/bytes/range.ts";

/** One request as the server saw it. */
export interface Seen {
  readonly url: string;
  readonly method: string;
  readonly authorization: string | undefined;
  readonly rangeHeader: string | undefined;
  /** The closed range of the header as a half-open one; the whole content where there is none. */
  readonly range: ByteRange;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Answers as a good server does. */
  serve(range?: ByteRange): void;
}

export interface RangeServer extends AsyncDisposable {
  readonly url: URL;
  readonly seen: Seen[];
  /** Most requests under way at once. */
  peak: number;
  readonly bytesSent: () => number;
}

export interface RangeServerOptions {
  /** Before the first byte of each answer. */
  readonly latencyMs?: number;
  /** Body bytes of one connection, paced in pieces of 64 KiB. */
  readonly bytesPerMs?: number;
  /** Answers instead of `serve`; gets the number of the request, from 0. */
  readonly handle?: (seen: Seen, index: number) => void;
}

const PIECE = 64 * 1024;

/** Serves `content` at every path, by closed single ranges, on loopback; records what it is asked. */
export async function rangeServer(content: Uint8Array, options: RangeServerOptions = {}): Promise<RangeServer> {
  const seen: Seen[] = [];
  let sent = 0;
  let active = 0;
  const server: Server = createServer((request, response) => {
    const header = request.headers.range;
    const parts = /^bytes=(\d+)-(\d+)$/.exec(header ?? "");
    const range =
      parts === null ? { start: 0, end: content.length } : { start: Number(parts[1]), end: Number(parts[2]) + 1 };
    active += 1;
    made.peak = Math.max(made.peak, active);
    response.once("close", () => (active -= 1));
    const serve = (given: ByteRange = range): void => {
      const body = content.subarray(given.start, given.end);
      response.writeHead(header === undefined ? 200 : 206, {
        "content-length": body.length,
        ...(header === undefined ? {} : { "content-range": `bytes ${given.start}-${given.end - 1}/${content.length}` }),
      });
      void send(response, body, options.bytesPerMs, (bytes) => (sent += bytes));
    };
    const entry: Seen = {
      url: request.url ?? "",
      method: request.method ?? "",
      authorization: request.headers.authorization,
      rangeHeader: header,
      range,
      request,
      response,
      serve,
    };
    const index = seen.push(entry) - 1;
    const answer = (): void => (options.handle === undefined ? serve() : options.handle(entry, index));
    if (options.latencyMs === undefined) answer();
    else setTimeout(answer, options.latencyMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  const made: RangeServer = {
    url: new URL(`http://127.0.0.1:${port}/v2/a/blobs/sha256:x`),
    seen,
    peak: 0,
    bytesSent: () => sent,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return made;
}

async function send(
  response: ServerResponse,
  body: Uint8Array,
  bytesPerMs: number | undefined,
  count: (bytes: number) => void,
): Promise<void> {
  if (bytesPerMs === undefined) {
    count(body.length);
    response.end(body);
    return;
  }
  const begun = performance.now();
  for (let at = 0; at < body.length && !response.destroyed; at += PIECE) {
    const piece = body.subarray(at, at + PIECE);
    const due = begun + (at + piece.length) / bytesPerMs - performance.now();
    if (due > 1) await new Promise((resolve) => setTimeout(resolve, due));
    if (response.destroyed) return;
    response.write(piece);
    count(piece.length);
  }
  response.end();
}

/** Bytes that differ at every offset, the same at every run. */
export function patternBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
