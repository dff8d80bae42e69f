import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Content } from "../content.ts";
import { errorAnswer, stalledAnswer, type Answer } from "./answer.ts";
import { createGate } from "./auth.ts";
import { freshCounters, type RegistryCounters, type RegistryOptions, type RequestRecord } from "./options.ts";
import { offencesOf } from "./offences.ts";
import { createPacer } from "./pacing.ts";
import { createRoutes } from "./routes.ts";
import { createStore, type StoredManifest } from "./store.ts";
import { createUploads } from "./uploads.ts";

const KEPT_RECORDS = 100_000;

/** What a test or benchmark does with a registry, wherever that runs. */
export interface RegistryHandle {
  /** `127.0.0.1:port`, as references want it. */
  readonly host: string;
  readonly url: string;
  counters(): Promise<RegistryCounters>;
  /** Requests in order of arrival (the last 100,000), since the start or the last reset. */
  records(): Promise<readonly RequestRecord[]>;
  /** Counters and records to nothing; requests under way still count as concurrent. */
  reset(): Promise<void>;
  /** Changes the options that it names. Connections and stored blobs stay; `revoke` voids every token. */
  configure(options: RegistryOptions, extra?: { readonly revoke?: boolean }): Promise<void>;
  /** A blob that is read in place (or made up as it is read), without an upload. The digest is believed. */
  addBlob(digest: string, content: Content): Promise<void>;
  /** The digest. No check at all: tests want bad manifests too. */
  addManifest(repository: string, manifest: StoredManifest & { readonly tag?: string }): Promise<string>;
  /** A plain file at `url/files/<name>`. */
  addFile(name: string, content: Content): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A registry on loopback in this process: distribution-spec 1.1 pull, push, tags and referrers, as slow and as odd as the
 * options say. `GET /__counters` and `/__reset` answer any program with the counters, uncounted. Whoever measures a client, or reads a mount, wants `spawnRegistry` instead: it has its own event loop.
 */
export async function startRegistry(
  initial: RegistryOptions & { readonly port?: number } = {},
): Promise<RegistryHandle> {
  let options: RegistryOptions = initial;
  let counters = freshCounters();
  let records: RequestRecord[] = [];
  let concurrent = 0;
  const seen = new WeakSet<Socket>();
  const current = (): RegistryOptions => options;
  const store = createStore(initial.directory);
  const files = new Map<string, Content>();
  const gate = createGate(() => options.auth ?? { kind: "none" });
  const pacer = createPacer(current);
  const storage = createServer();
  const routes = createRoutes({
    options: current,
    store,
    gate,
    uploads: createUploads(store),
    files,
    storageUrl: () => addressOf(storage),
  });

  const stall = (): Exclude<RegistryOptions["stall"], false> => (options.stall === false ? undefined : options.stall);
  let blobAnswers = 0;
  const isNextToStall = (): boolean => {
    blobAnswers += 1;
    return stall() !== undefined && blobAnswers % (stall()?.every ?? 1) === 0;
  };
  const forget = (): void => {
    blobAnswers = 0;
    counters = freshCounters(concurrent);
    records = [];
  };
  const respond = async (request: IncomingMessage, response: ServerResponse, atStorage: boolean): Promise<void> => {
    const arrived = performance.now();
    const mine = counters;
    const kept = records;
    const url = new URL(request.url ?? "/", "http://registry");
    if (url.pathname === "/__counters" || url.pathname === "/__reset") {
      response.end(JSON.stringify(counters));
      if (url.pathname === "/__reset") forget();
      return;
    }
    const kind = routes.kind(url);
    request.socket.setNoDelay(true);
    if (!seen.has(request.socket)) mine.connections += 1;
    seen.add(request.socket);
    mine.requests += 1;
    mine.kinds[kind].requests += 1;
    concurrent += 1;
    mine.maxConcurrent = Math.max(mine.maxConcurrent, concurrent);
    if (atStorage && request.headers.authorization !== undefined) mine.leaks += 1;
    const offences = offencesOf(request, { kind, atStorage, concurrent, options });
    mine.offences = [...new Set([...mine.offences, ...offences])];
    response.once("close", () => {
      concurrent -= 1;
      if (!response.writableFinished) mine.aborted += 1;
    });
    const most = options.quirks?.mostAtOnce ?? Infinity;
    const answer =
      concurrent > most
        ? errorAnswer(429, "TOOMANYREQUESTS", { "Retry-After": "1" })
        : atStorage
          ? routes.storage(request, url)
          : await routes.registry(request, url);
    mine.statuses[answer.status] = (mine.statuses[answer.status] ?? 0) + 1;
    if ([302, 303, 307].includes(answer.status)) mine.redirects += 1;
    const { range, authorization } = request.headers;
    const ns = url.searchParams.get("ns");
    if (kept.length >= KEPT_RECORDS) kept.shift();
    kept.push({
      method: request.method ?? "",
      path: url.pathname,
      kind,
      status: answer.status,
      ...(range === undefined ? {} : { range }),
      ...(ns === null ? {} : { ns }),
      ...(authorization === undefined ? {} : { authorization }),
    });
    const rest = (options.latencyMs ?? 0) - (performance.now() - arrived);
    if (rest > 0) await sleep(rest);
    const stalling = kind === "blob" && [200, 206].includes(answer.status) && isNextToStall();
    if (stalling) mine.stalled += 1;
    await send(response, stalling ? stalledAnswer(answer, stall()?.afterBytes) : answer, (bytes) => {
      mine.bytes += bytes;
      mine.kinds[kind].bytes += bytes;
    });
  };
  const send = async (
    response: ServerResponse,
    answer: Answer | undefined,
    count: (bytes: number) => void,
  ): Promise<void> => {
    if (response.destroyed || answer === undefined) return;
    response.writeHead(answer.status, answer.headers);
    if (answer.body === undefined || response.req.method === "HEAD") {
      response.end();
      return;
    }
    await pacer.send(response, answer.body, count);
  };

  const serve = (server: Server, atStorage: boolean): void => {
    server.keepAliveTimeout = 60_000;
    server.requestTimeout = 0;
    server.on("request", (request, response) => {
      request.on("error", () => undefined);
      response.on("error", () => undefined);
      respond(request, response, atStorage).catch((error: unknown) => {
        console.error("test registry:", error);
        response.destroy();
      });
    });
  };
  const registry = createServer();
  serve(registry, false);
  serve(storage, true);
  await Promise.all([listen(registry, initial.port ?? 0), listen(storage, 0)]);

  const close = async (): Promise<void> => {
    await Promise.all([registry, storage].map(shut));
  };
  return {
    host: addressOf(registry).replace("http://", ""),
    url: addressOf(registry),
    counters: async () => structuredClone(counters),
    records: async () => [...records],
    reset: async () => forget(),
    configure: async (change, extra = {}) => {
      options = { ...options, ...change };
      if (extra.revoke === true) gate.revoke();
    },
    addBlob: async (digest, content) => store.addBlob(digest, content),
    addManifest: async (repository, { tag, ...manifest }) =>
      store.addManifest(repository, manifest, tag === undefined ? {} : { tag }),
    addFile: async (name, content) => void files.set(name, content),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function addressOf(server: Server): string {
  // a listening TCP server has an AddressInfo
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

async function shut(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
