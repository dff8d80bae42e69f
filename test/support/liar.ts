import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Digest } from "../../src/bytes/digest.ts";
import { MANIFEST_TYPE } from "./artifacts.ts";

export interface LiarRequest {
  readonly url: string;
  readonly kind: "manifest" | "blob" | "other";
  /** The tag or digest. */
  readonly name: string;
  /** How many of this URL came before it. */
  readonly before: number;
  readonly authorization: string | undefined;
  readonly request: IncomingMessage;
}

export interface Liar extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
  readonly seen: LiarRequest[];
  /** How many requests of a kind came, since the start or the last `forget`. */
  count(kind: LiarRequest["kind"]): number;
  forget(): void;
}

/** A registry that answers whatever `answer` says; what that leaves alone is 404. In this process: do not block it. */
export async function startLiar(answer: (asked: LiarRequest, response: ServerResponse) => void): Promise<Liar> {
  const seen: LiarRequest[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    const [, place, name = ""] = /^\/v2\/.+\/(manifests|blobs)\/([^?]*)/.exec(url) ?? [];
    const kind = place === "manifests" ? "manifest" : place === "blobs" ? "blob" : "other";
    const before = seen.filter((one) => one.url === url).length;
    const { authorization } = request.headers;
    const asked: LiarRequest = { url, kind, name, before, authorization, request };
    seen.push(asked);
    response.on("error", () => undefined);
    answer(asked, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    seen,
    count: (kind) => seen.filter((one) => one.kind === kind).length,
    forget: () => void (seen.length = 0),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A manifest of layers that need not be true. */
export function falseManifest(
  layers: readonly { readonly title?: string; readonly digest: string; readonly size: unknown }[],
): Buffer {
  const config = { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256("{}"), size: 2, data: "e30=" };
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: "application/vnd.riffle.test",
      config,
      layers: layers.map(({ title, digest, size }) => ({
        mediaType: "application/octet-stream",
        digest,
        size,
        ...(title === undefined ? {} : { annotations: { "org.opencontainers.image.title": title } }),
      })),
    }),
  );
}

export function sendManifest(response: ServerResponse, bytes: Uint8Array, type: string = MANIFEST_TYPE): void {
  response.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
}

/** As a good registry does, about the bytes that it has. */
export function sendRange(asked: LiarRequest, response: ServerResponse, bytes: Uint8Array): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(asked.request.headers.range ?? "") ?? [];
  if (from === undefined) {
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    return;
  }
  const start = Number(from);
  const end = Math.min(Number(to) + 1, bytes.length);
  if (start >= bytes.length) response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
  else {
    const headers = { "content-range": `bytes ${start}-${end - 1}/${bytes.length}`, "content-length": end - start };
    response.writeHead(206, headers).end(bytes.subarray(start, end));
  }
}
