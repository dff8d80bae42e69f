import type { OutgoingHttpHeaders } from "node:http";
import { contentSize, streamContent, type Content } from "../content.ts";

/** A response, decided but not sent. */
export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: AsyncIterable<Uint8Array>;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export function bytesAnswer(status: number, body: Uint8Array | string, headers: OutgoingHttpHeaders = {}): Answer {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return { status, headers: { "Content-Length": bytes.length, ...headers }, body: once(bytes) };
}

export function jsonAnswer(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Answer {
  return bytesAnswer(status, JSON.stringify(value), { "Content-Type": "application/json", ...headers });
}

export function emptyAnswer(status: number, headers: OutgoingHttpHeaders = {}): Answer {
  return { status, headers: { "Content-Length": 0, ...headers } };
}

/** distribution-spec v1.1, "Error Codes". */
export function errorAnswer(status: number, code: string, headers: OutgoingHttpHeaders = {}): Answer {
  return jsonAnswer(status, { errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }, headers);
}

type Wanted = { readonly start: number; readonly end: number } | "whole" | "unsatisfiable";

/** RFC 9110 section 14: one range, closed, open or suffix; anything else is as if it were not there. */
export function parseRange(header: string | undefined, size: number): Wanted {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (match === null || (first === "" && last === "")) return "whole";
  if (first === "") return last === "0" ? "unsatisfiable" : { start: Math.max(0, size - Number(last)), end: size };
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < start) return "whole";
  return start >= size ? "unsatisfiable" : { start, end };
}

/** Whole or in part, as the range asks: 200, 206 or 416. */
export function contentAnswer(
  content: Content,
  options: { readonly headers: OutgoingHttpHeaders; readonly range?: string | undefined; readonly ranges: boolean },
): Answer {
  const size = contentSize(content);
  const wanted = options.ranges ? parseRange(options.range, size) : "whole";
  if (wanted === "unsatisfiable") return emptyAnswer(416, { "Content-Range": `bytes */${size}` });
  const { start, end } = wanted === "whole" ? { start: 0, end: size } : wanted;
  return {
    status: wanted === "whole" ? 200 : 206,
    headers: {
      "Content-Type": "application/octet-stream",
      ...options.headers,
      ...(options.ranges ? { "Accept-Ranges": "bytes" } : {}),
      ...(wanted === "whole" ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${size}` }),
      "Content-Length": end - start,
    },
    body: streamContent(content, { start, end }),
  };
}
