import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ByteRange } from "../../../src/bytes/range.ts";
import { falseManifest, sendManifest, sha256 } from "../liar.ts";
import { sendFaulty, type Fault } from "./fault.ts";

export interface FaultyFile {
  readonly title: string;
  readonly bytes: Uint8Array;
}

/** A range request for a file's bytes, wherever it was sent. */
export interface AskedBytes {
  readonly title: string;
  readonly range: ByteRange;
  /** How many requests for bytes of this file came before it, since the last `forget`. */
  readonly before: number;
}

export interface FaultyRegistryOptions {
  readonly files: readonly FaultyFile[];
  readonly fault?: (asked: AskedBytes) => Fault | undefined;
  /** Requests that a token is good for; without it no token is asked for. */
  readonly tokenLife?: number;
  /** Blobs are redirected to another origin, to addresses that are each good for so many requests. */
  readonly urlLife?: number;
}

export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  /** By the tag. */
  readonly reference: string;
  /** Requests for bytes, in order, since the last `forget`; refused tokens, expired addresses and redirects are not among them. */
  readonly asked: readonly AskedBytes[];
  /** All requests since the last `forget`. */
  readonly requests: () => number;
  readonly tokens: () => number;
  count(title: string): number;
  forget(): void;
  setFault(fault: FaultyRegistryOptions["fault"]): void;
  /** Nobody listens any more, and every connection is reset. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  /** From now on the tag names an artifact of other files. */
  moveTag(files: readonly FaultyFile[]): void;
  /** Every token that was given is void. */
  revoke(): void;
  /** Every address that was given is. */
  expire(): void;
}

/** A registry of one artifact whose answers are as wrong as `fault` says. In this process: do not block it. */
export async function startFaultyRegistry(options: FaultyRegistryOptions): Promise<FaultyRegistry> {
  const state = new State(options);
  const registry = createServer((request, response) => state.answer(request, response));
  const storage = createServer((request, response) => state.answerStorage(request, response));
  for (const server of [registry, storage]) server.keepAliveTimeout = 60_000;
  await Promise.all([listen(registry, 0), listen(storage, 0)]);
  const port = portOf(registry);
  state.storageUrl = `http://127.0.0.1:${portOf(storage)}`;
  const host = `127.0.0.1:${port}`;
  return {
    host,
    reference: `${host}/t/x:v`,
    asked: state.asked,
    requests: () => state.requests,
    tokens: () => state.tokens,
    count: (title) => state.asked.filter((one) => one.title === title).length,
    forget: () => state.forget(),
    setFault: (fault) => void (state.fault = fault),
    refuse: () => shut(registry),
    accept: () => listen(registry, port),
    moveTag: (files) => state.publish(files),
    revoke: () => state.revoke(),
    expire: () => state.expire(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([registry, storage].map(shut));
    },
  };
}

class State {
  fault: FaultyRegistryOptions["fault"];
  storageUrl = "";
  requests = 0;
  tokens = 0;
  readonly asked: AskedBytes[] = [];
  readonly #options: FaultyRegistryOptions;
  readonly #blobs = new Map<string, FaultyFile>();
  readonly #manifests = new Map<string, Uint8Array>();
  readonly #counts = new Map<string, number>();
  #token = 0;
  #tokenUses = 0;
  #url = 0;
  #urlUses = 0;

  constructor(options: FaultyRegistryOptions) {
    this.#options = options;
    this.fault = options.fault;
    this.publish(options.files);
  }

  publish(files: readonly FaultyFile[]): void {
    const layers = files.map(({ title, bytes }) => ({ title, digest: sha256(bytes), size: bytes.length }));
    for (const [index, { digest }] of layers.entries()) this.#blobs.set(digest, files[index] as FaultyFile); // same length
    const manifest = falseManifest(layers);
    for (const name of ["v", sha256(manifest)]) this.#manifests.set(name, manifest);
  }

  forget(): void {
    this.asked.length = 0;
    this.requests = 0;
    this.#counts.clear();
  }

  revoke(): void {
    this.#token += 1;
    this.#tokenUses = 0;
  }

  expire(): void {
    this.#url += 1;
    this.#urlUses = 0;
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests += 1;
    response.on("error", () => undefined);
    const url = request.url ?? "";
    if (url.startsWith("/token")) return this.#giveToken(response);
    if (!this.#isLetIn(request)) {
      const challenge = `Bearer realm="http://${request.headers.host ?? ""}/token",service="x",scope="repository:t/x:pull"`;
      return void response.writeHead(401, { "www-authenticate": challenge }).end("{}");
    }
    const [, place, name = ""] = /^\/v2\/t\/x\/(manifests|blobs)\/([^?]*)/.exec(url) ?? [];
    const manifest = place === "manifests" ? this.#manifests.get(name) : undefined;
    if (manifest !== undefined) return sendManifest(response, manifest);
    const file = place === "blobs" ? this.#blobs.get(name) : undefined;
    if (file === undefined) return void response.writeHead(404).end("{}");
    if (this.#options.urlLife === undefined) return this.#give(file, request, response);
    response.writeHead(307, { location: `${this.storageUrl}/${name}?X-Signature=${this.#url}` }).end();
  }

  answerStorage(request: IncomingMessage, response: ServerResponse): void {
    this.requests += 1;
    response.on("error", () => undefined);
    const url = new URL(request.url ?? "/", this.storageUrl);
    if (request.headers.authorization !== undefined) return void response.writeHead(400).end("credentials came along");
    if (url.searchParams.get("X-Signature") !== String(this.#url)) return void response.writeHead(403).end("expired");
    this.#urlUses += 1;
    if (this.#urlUses >= (this.#options.urlLife ?? Infinity)) this.expire();
    const file = this.#blobs.get(url.pathname.slice(1));
    if (file === undefined) return void response.writeHead(404).end();
    this.#give(file, request, response);
  }

  #give(file: FaultyFile, request: IncomingMessage, response: ServerResponse): void {
    const { title, bytes } = file;
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const isRange = from !== undefined;
    const range = { start: Number(from ?? 0), end: Math.min(bytes.length, isRange ? Number(to) + 1 : bytes.length) };
    const before = this.#counts.get(title) ?? 0;
    this.#counts.set(title, before + 1);
    const asked: AskedBytes = { title, range, before };
    this.asked.push(asked);
    sendFaulty(response, { bytes, range, isRange }, this.fault?.(asked)).catch(() => response.destroy());
  }

  #giveToken(response: ServerResponse): void {
    this.tokens += 1;
    const text = JSON.stringify({ token: `token-${this.#token}`, expires_in: 300 });
    response.writeHead(200, { "content-type": "application/json", "content-length": text.length }).end(text);
  }

  #isLetIn(request: IncomingMessage): boolean {
    const { tokenLife } = this.#options;
    if (tokenLife === undefined) return true;
    if (request.headers.authorization !== `Bearer token-${this.#token}`) return false;
    this.#tokenUses += 1;
    if (this.#tokenUses >= tokenLife) this.revoke();
    return true;
  }
}

function portOf(server: Server): number {
  // A server that listens on TCP has an AddressInfo.
  return (server.address() as AddressInfo).port;
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
