import type { Authorizer, HttpMeter } from "../../src/fetch/http.ts";

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

export const anonymous: Authorizer = { headers: async () => ({}), challenged: async () => false };
