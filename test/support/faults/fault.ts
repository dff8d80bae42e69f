import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { rangeLength, type ByteRange } from "../../../src/bytes/range.ts";

/** How an answer to one range request is wrong. `after`: that many bytes of the body are right. */
export type Fault =
  | { readonly kind: "reset"; readonly after?: number }
  | { readonly kind: "stall"; readonly after?: number }
  /** All is announced, and the connection ends in order after some of it. */
  | { readonly kind: "truncate"; readonly after: number }
  /** Less is announced than was asked for, and sent. */
  | { readonly kind: "short" }
  | { readonly kind: "flip" }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: "whole" }
  | { readonly kind: "page" }
  | { readonly kind: "wrong-range" }
  | { readonly kind: "multipart" }
  | { readonly kind: "encoded" }
  | { readonly kind: "endless" }
  | { readonly kind: "slow"; readonly ms: number };

export interface FaultyAnswer {
  readonly bytes: Uint8Array;
  /** What was asked for, inside the content; all of it where no range was. */
  readonly range: ByteRange;
  readonly isRange: boolean;
}

const PIECE = Buffer.alloc(16 * 1024, "x");

/** Answers as a good server does, but for `fault`. */
export async function sendFaulty(
  response: ServerResponse,
  answer: FaultyAnswer,
  fault: Fault | undefined,
): Promise<void> {
  const { bytes, range } = answer;
  const body = bytes.subarray(range.start, range.end);
  switch (fault?.kind) {
    case undefined:
      return sendRight(response, answer);
    case "slow":
      await sleep(fault.ms);
      return sendRight(response, answer);
    case "reset":
      return cutAfter(response, { answer, after: fault.after, cut: () => response.socket?.resetAndDestroy() });
    case "truncate":
      return cutAfter(response, { answer, after: fault.after, cut: () => response.socket?.end() });
    case "stall":
      return cutAfter(response, { answer, after: fault.after, cut: () => undefined });
    case "short":
      return sendPart(response, { range, total: bytes.length, body: body.subarray(0, body.length - 1) });
    case "flip": {
      const flipped = Buffer.from(body);
      flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 4, flipped.length >> 1);
      return sendPart(response, { range, total: bytes.length, body: flipped });
    }
    case "status":
      return void response.writeHead(fault.status, fault.headers).end('{"errors":[{"code":"UNAVAILABLE"}]}');
    case "whole":
      return void response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    case "page":
      return void response.writeHead(200, { "content-type": "text/html" }).end("<html>please sign in</html>");
    case "wrong-range": {
      const place = { start: range.start + 1, end: range.end + 1 };
      return sendPart(response, { range: place, total: bytes.length, body });
    }
    case "multipart":
      return void response
        .writeHead(206, { "content-type": "multipart/byteranges; boundary=x" })
        .end(Buffer.concat([Buffer.from("--x\r\n\r\n"), body, Buffer.from("\r\n--x--")]));
    case "encoded":
      return sendPart(response, { range, total: bytes.length, body, headers: { "content-encoding": "gzip" } });
    case "endless":
      return sendEndless(response, answer);
  }
}

function sendRight(response: ServerResponse, { bytes, range, isRange }: FaultyAnswer): void {
  if (range.start >= range.end)
    return void response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
  const body = bytes.subarray(range.start, range.end);
  if (isRange) sendPart(response, { range, total: bytes.length, body });
  else response.writeHead(200, { "content-length": body.length }).end(body);
}

interface Part {
  readonly range: ByteRange;
  readonly total: number;
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

function sendPart(response: ServerResponse, { range, total, body, headers }: Part): void {
  const place = `bytes ${range.start}-${range.end - 1}/${total}`;
  response.writeHead(206, { "content-range": place, "content-length": body.length, ...headers }).end(body);
}

/** Without `after` not even the headers are sent. */
function cutAfter(
  response: ServerResponse,
  how: { readonly answer: FaultyAnswer; readonly after: number | undefined; readonly cut: () => unknown },
): void {
  const { answer, after, cut } = how;
  if (after === undefined) return void cut();
  const { range, bytes } = answer;
  response.writeHead(206, {
    "content-range": `bytes ${range.start}-${range.end - 1}/${bytes.length}`,
    "content-length": rangeLength(range),
  });
  const right = Math.min(after, Math.max(0, rangeLength(range) - 1));
  response.write(bytes.subarray(range.start, range.start + right), () => cut());
}

function sendEndless(response: ServerResponse, { bytes, range }: FaultyAnswer): void {
  response.writeHead(206, { "content-range": `bytes ${range.start}-${range.end - 1}/${bytes.length}` });
  response.write(bytes.subarray(range.start, range.end));
  const pour = (): void => {
    while (!response.destroyed && response.write(PIECE));
    if (!response.destroyed) response.once("drain", pour);
  };
  pour();
}
