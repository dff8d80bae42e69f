import type { OutgoingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { RegistryQuirks } from "./options.ts";
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

type RangeForms = NonNullable<RegistryQuirks["rangeForms"]>;
type Wanted = { readonly start: number; readonly end: number } | "whole" | "unsatisfiable";

/** RFC 9110 section 14: one range, closed, open or suffix; anything else is as if it were not there. */
function parseRange(header: string | undefined, size: number, forms: RangeForms): Wanted {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (match === null || (first === "" && last === "")) return "whole";
  if ((first === "" && forms !== "all") || (last === "" && forms === "closed")) return "unsatisfiable";
  if (first === "") return last === "0" ? "unsatisfiable" : { start: Math.max(0, size - Number(last)), end: size };
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < start) return "whole";
  return start >= size ? "unsatisfiable" : { start, end };
}

interface ContentOptions {
  readonly headers: OutgoingHttpHeaders;
  readonly range?: string | undefined;
  readonly ranges: boolean;
  readonly forms?: RangeForms;
  /** `false`: ranges work, but no header says so. */
  readonly tellsRanges?: boolean;
}

/** Whole or in part, as the range asks: 200, 206 or 416. */
export function contentAnswer(content: Content, options: ContentOptions): Answer {
  const size = contentSize(content);
  const { ranges, tellsRanges = ranges } = options;
  const wanted = ranges ? parseRange(options.range, size, options.forms ?? "all") : "whole";
  if (wanted === "unsatisfiable") return emptyAnswer(416, { "Content-Range": `bytes */${size}` });
  const { start, end } = wanted === "whole" ? { start: 0, end: size } : wanted;
  return {
    status: wanted === "whole" ? 200 : 206,
    headers: {
      "Content-Type": "application/octet-stream",
      ...options.headers,
      ...(tellsRanges ? { "Accept-Ranges": "bytes" } : {}),
      ...(wanted === "whole" ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${size}` }),
      "Content-Length": end - start,
    },
    body: streamContent(content, { start, end }),
  };
}

/** The same, compressed; as a registry that takes every body for a web page does. */
export function gzipped(answer: Answer): Answer {
  const { body } = answer;
  if (body === undefined) return answer;
  const { "Content-Length": _, "Accept-Ranges": __, ...headers } = answer.headers;
  const squeezed = Readable.from(body).pipe(createGzip({ level: 1 }));
  return { status: answer.status, headers: { ...headers, "Content-Encoding": "gzip" }, body: squeezed };
}

/** An answer that stops after so many bytes of its body and never ends; undefined where not even its head comes. */
export function stalledAnswer(answer: Answer, afterBytes: number | undefined): Answer | undefined {
  const { body } = answer;
  return afterBytes === undefined || body === undefined ? undefined : { ...answer, body: cutShort(body, afterBytes) };
}

async function* cutShort(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const piece of body) {
    yield piece.subarray(0, left);
    left -= piece.length;
    if (left <= 0) break;
  }
  await new Promise<never>(() => undefined);
}
