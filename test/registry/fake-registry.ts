import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { digestOf, type Digest } from "../../src/bytes/digest.ts";
import { isRiffleError, type RiffleError } from "../../src/errors.ts";
import type { HttpMeter, RequestKind } from "../../src/fetch/http.ts";
import { OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { parseReference, type RegistryReference } from "../../src/oci/reference.ts";
import { openRegistry, type RegistryOptions } from "../../src/registry/open-registry.ts";
import type { Registry } from "../../src/registry/registry.ts";

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answer = (request: SeenRequest, response: ServerResponse) => void;

export interface FakeServer {
  readonly host: string;
  readonly origin: string;
  readonly seen: SeenRequest[];
  /** `METHOD /path` of every request, without queries. */
  readonly paths: () => string[];
}

/** Things to undo after a test, last first. */
export type Cleanups = (() => Promise<void> | void)[];

/** A server of one function on a loopback port, in plain text or over TLS, that records every request. */
export async function serve(
  cleanups: Cleanups,
  answer: Answer,
  tls?: { readonly key: string; readonly cert: string },
): Promise<FakeServer> {
  const seen: SeenRequest[] = [];
  const open = new Set<Socket>();
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const asked = { method, url, headers, body: Buffer.concat(pieces).toString() };
      seen.push(asked);
      answer(asked, response);
    });
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    origin: `${tls === undefined ? "http" : "https"}://${host}`,
    seen,
    paths: () => seen.map(({ method, url }) => `${method} ${url.split("?")[0]}`),
  };
}

const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

export interface Document {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly mediaType: string;
}

export function documentOf(value: unknown, mediaType: string): Document {
  const bytes = encode(value);
  return { bytes, digest: digestOf(bytes), mediaType };
}

export const EMPTY = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(encode("{}")), size: 2 };

/** An artifact manifest with one layer of the bytes `content`. */
export function artifactOf(content: string, extra: Readonly<Record<string, unknown>> = {}): Document {
  const bytes = encode(content);
  const layer = { mediaType: "text/plain", digest: digestOf(bytes), size: bytes.length };
  return documentOf(
    { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers: [layer], ...extra },
    OCI_MANIFEST,
  );
}

/** Answers `manifests/` requests from a table by tag or digest, `undefined` for any other path. */
export function answerManifest(
  request: SeenRequest,
  response: ServerResponse,
  documents: Readonly<Record<string, Document>>,
): boolean {
  const name = /^\/v2\/.+\/manifests\/([^/?]+)$/.exec(request.url)?.[1];
  if (name === undefined) return false;
  const document = documents[name] ?? Object.values(documents).find((one) => one.digest === name);
  if (document === undefined) sendError(response, 404, "MANIFEST_UNKNOWN");
  else {
    response.writeHead(200, { "content-type": document.mediaType, "docker-content-digest": document.digest });
    response.end(document.bytes);
  }
  return true;
}

export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ errors: [{ code, message: "no" }] }));
}

export function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

export interface Counts {
  readonly requests: RequestKind[];
  bytes: number;
  retries: number;
}

export function countingMeter(): { readonly meter: HttpMeter; readonly counts: Counts } {
  const counts: Counts = { requests: [], bytes: 0, retries: 0 };
  return {
    counts,
    meter: {
      request: (kind) => void counts.requests.push(kind),
      received: (_kind, bytes) => void (counts.bytes += bytes),
      retry: () => void (counts.retries += 1),
    },
  };
}

/** The RiffleError that a promise ends with. */
export async function failure(promise: Promise<unknown>): Promise<RiffleError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isRiffleError(error)) throw new Error(`expected a RiffleError, got ${String(error)}`);
  return error;
}

export interface Opened {
  readonly server: FakeServer;
  readonly registry: Registry;
  readonly reference: RegistryReference;
  readonly counts: Counts;
}

/** A registry client of `eo/scenes` (`tail` is its tag or digest) at a server of `answer`; retries do not wait. */
export async function openFake(
  cleanups: Cleanups,
  answer: Answer,
  options: RegistryOptions & { readonly tail?: string | undefined } = {},
): Promise<Opened> {
  const server = await serve(cleanups, answer);
  const reference = parseReference(`${server.host}/eo/scenes${options.tail ?? ":v1"}`);
  if (reference.kind !== "registry") throw new Error("not a registry");
  const { meter, counts } = countingMeter();
  const registry = openRegistry(reference, { meter, random: () => 0, sleep: () => Promise.resolve(), ...options });
  cleanups.push(() => registry.close());
  return { server, registry, reference, counts };
}
