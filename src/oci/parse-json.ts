import { RiffleError } from "../errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The largest document that is read. The distribution specification makes registries take manifests of 4 MiB; some
 * 70,000 layers with titles fit here, and parsing stays far below a second.
 */
export const MAX_DOCUMENT_BYTES: number = 16 * 1024 * 1024;
/** Objects and arrays in a document: seven times what 16 MiB of real descriptors hold, a tenth of what `[` alone would. */
const MAX_NODES = 1_000_000;
/** Manifests are five deep; unknown members may be deeper. */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

function malformed(what: string, why: string, cause?: unknown): RiffleError {
  return new RiffleError("malformed", `${what} ${why}`, cause === undefined ? {} : { cause });
}

/** Where the string that opens at `start` closes, or the end of the bytes: found by the native search, as strings are nearly all of a manifest. */
export function endOfString(bytes: Uint8Array, start: number): number {
  for (let end = bytes.indexOf(QUOTE, start + 1); end >= 0; end = bytes.indexOf(QUOTE, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}

/** Bounds what `JSON.parse` would allocate, in one pass over the bytes. */
function checkShape(bytes: Uint8Array, what: string): void {
  let depth = 0;
  let nodes = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth += 1;
      nodes += 1;
      if (depth > MAX_DEPTH) throw malformed(what, `is nested deeper than ${MAX_DEPTH}`);
      if (nodes > MAX_NODES) throw malformed(what, `holds more than ${MAX_NODES} objects and arrays`);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth -= 1;
  }
}

function looksLikeHtml(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 512)).toString("latin1");
  return /^(?:\u00ef\u00bb\u00bf)?\s{0,500}<(?:!doctype|html|head|body|\?xml)/i.test(start);
}

/** Throws `malformed` with one clause for what is no JSON object of sane size and depth; `what` begins the message. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw malformed(what, `has ${bytes.length} bytes, more than the ${MAX_DOCUMENT_BYTES} that are read`);
  if (looksLikeHtml(bytes)) throw malformed(what, "is a web page, not JSON");
  checkShape(bytes, what);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(what, bytes.length === 0 ? "is empty" : "is not JSON", error);
  }
  if (!isJsonObject(value)) throw malformed(what, "is not a JSON object");
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
