import type { HttpClient, HttpResponse } from "./http.ts";
import type { FetchLog } from "./log.ts";

/** Tells of every exchange at level `debug`: method, origin and path (a query may hold a signature), range, status, time. */
export function loggedClient(client: HttpClient, log: FetchLog, nowMs: () => number = Date.now): HttpClient {
  return {
    send: async (url, request): Promise<HttpResponse> => {
      const range = request.headers?.["range"];
      const what = `${request.method ?? "GET"} ${url.origin}${url.pathname}${range === undefined ? "" : ` ${range}`}`;
      const startMs = nowMs();
      try {
        const response = await client.send(url, request);
        log("debug", `${what}: ${response.status} after ${nowMs() - startMs} ms`, { status: response.status });
        return response;
      } catch (error) {
        log("debug", `${what}: ${error instanceof Error ? error.message : "failed"} after ${nowMs() - startMs} ms`);
        throw error;
      }
    },
    close: () => client.close(),
  };
}
