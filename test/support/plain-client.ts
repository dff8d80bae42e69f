import { request as httpRequest, Agent } from "node:http";
import { abortError, RiffleError } from "../../src/errors.ts";
import type { Authorizer, HttpClient, HttpMeter, HttpResponse } from "../../src/fetch/http.ts";

/** Counts of what a test's client moved. */
export interface Moved extends HttpMeter {
  requests: number;
  bytes: number;
  retries: number;
}

export function countingMeter(): Moved {
  const moved: Moved = {
    requests: 0,
    bytes: 0,
    retries: 0,
    request: () => void (moved.requests += 1),
    received: (_kind, bytes) => void (moved.bytes += bytes),
    retry: () => void (moved.retries += 1),
  };
  return moved;
}

/** The smallest client that keeps the contract of `HttpClient`, over `node:http` alone: tests of what stands on it. */
export function plainClient(meter: HttpMeter = countingMeter()): HttpClient {
  const agent = new Agent({ keepAlive: true });
  return {
    send: (url, asked) =>
      new Promise<HttpResponse>((resolve, reject) => {
        const { kind, signal } = asked;
        meter.request(kind);
        const failed = (error: unknown): RiffleError =>
          signal?.aborted === true
            ? abortError(signal)
            : new RiffleError("unreachable", `${url.host} closed the connection`, {
                facts: { host: url.host, reason: "reset" },
                cause: error,
              });
        const outgoing = httpRequest(url, {
          agent,
          method: asked.method ?? "GET",
          headers: { ...asked.headers },
          ...(signal === undefined ? {} : { signal }),
        });
        outgoing.on("error", (error) => reject(failed(error)));
        outgoing.on("response", (incoming) => {
          const headers = Object.fromEntries(
            Object.entries(incoming.headers).map(([name, value]) => [
              name,
              Array.isArray(value) ? value.join(", ") : (value ?? ""),
            ]),
          );
          async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
            try {
              for await (const chunk of incoming) {
                // node:http gives Buffers while no encoding is set.
                const { buffer, byteOffset, length } = chunk as Buffer;
                const bytes = new Uint8Array(buffer, byteOffset, length);
                meter.received(kind, bytes.length);
                yield bytes;
              }
            } catch (error) {
              throw failed(error);
            }
          }
          resolve({
            status: incoming.statusCode ?? 0,
            headers,
            body: body(),
            discard: () => void (incoming.complete || incoming.destroy()),
          });
        });
        outgoing.end(asked.body);
      }),
    close: async () => agent.destroy(),
  };
}

export const anonymous: Authorizer = { headers: async () => ({}), challenged: async () => false };
