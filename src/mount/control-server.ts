import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { RiffleError } from "../errors.ts";
import {
  decodeRequest,
  encodeResponse,
  MAX_REQUEST_BYTES,
  toWireError,
  type ControlRequest,
  type ControlResponse,
} from "./control-protocol.ts";
import { ensurePrivateDirectory } from "./private-directory.ts";

/** `sun_path` holds 108 bytes with its NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;
const SOCKET_ENDING = ".sock";
const REQUEST_TIMEOUT_MS = 5000;
const LAST_ANSWER_MS = 1000;
const MAX_CONNECTIONS = 64;

export interface ControlServerOptions {
  /** The state directory; the socket lies in it when its path is short enough. */
  readonly directory: string;
  /** Where a short path is made otherwise. Default: the system's. */
  readonly temporaryDirectory?: string;
  /** Answers a request; a rejection becomes an error response. */
  readonly handle: (request: ControlRequest) => Promise<Readonly<Record<string, unknown>>>;
}

export interface ControlServer {
  readonly path: string;
  /** Ends all connections and removes the socket, and its directory if it was made for it. */
  close(): Promise<void>;
}

/** Listens on a new Unix socket that this user alone may use. */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  ensurePrivateDirectory(options.directory);
  const path = socketPlace(options.directory, options.temporaryDirectory ?? tmpdir());
  const connections = new Set<Socket>();
  const answering = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.once("close", () => {
      connections.delete(socket);
      answering.delete(socket);
    });
    serve(socket, options, answering);
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await listen(server, path);
    // The directory keeps others out already; this also holds where it is shared by mistake.
    chmodSync(path, 0o600);
  } catch (cause) {
    server.close();
    removeSocket(path);
    throw new RiffleError("disk", `cannot listen on ${path}`, { cause });
  }
  return {
    path,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Who asked for the end is told of it first; nobody else is waited for.
      for (const socket of connections) if (!answering.has(socket)) socket.destroy();
      const timer = setTimeout(() => {
        for (const socket of connections) socket.destroy();
      }, LAST_ANSWER_MS);
      await closed;
      clearTimeout(timer);
      removeSocket(path);
    },
  };
}

/** The sockets of a state directory that is known to be private. */
export function socketsIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(SOCKET_ENDING))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

/** Removes a socket that its process left, and the directory that was made for it alone; never anything else. */
export function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path, { force: true });
  if (!/^riffle-socket-[A-Za-z0-9]{6}$/.test(basename(dirname(path)))) return;
  try {
    rmdirSync(dirname(path));
  } catch {
    // Gone already, or it holds something that is not ours.
  }
}

function socketPlace(directory: string, temporary: string): string {
  const path = join(directory, `${randomBytes(6).toString("hex")}${SOCKET_ENDING}`);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  const ownDirectory = mkdtempSync(join(temporary, "riffle-socket-"));
  const short = join(ownDirectory, "s");
  if (Buffer.byteLength(short) <= MAX_SOCKET_PATH_BYTES) return short;
  rmdirSync(ownDirectory);
  throw new RiffleError("machine", `no room for a control socket below ${temporary}`, {
    hint: "set TMPDIR to a directory with a short path",
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      server.on("error", () => undefined);
      resolve();
    });
  });
}

function serve(socket: Socket, options: ControlServerOptions, answering: Set<Socket>): void {
  let received = Buffer.alloc(0);
  let done = false;
  const finish = (response: ControlResponse): void => {
    socket.end(encodeResponse(response));
  };
  const refuse = (error: unknown): void => finish({ ok: false, error: toWireError(error) });
  socket.on("error", () => socket.destroy());
  socket.setTimeout(REQUEST_TIMEOUT_MS, () => {
    if (!done) socket.destroy();
  });
  socket.on("end", () => {
    if (!done) socket.destroy();
  });
  socket.on("data", (chunk) => {
    if (done) return;
    received = Buffer.concat([received, chunk]);
    const newline = received.indexOf(0x0a);
    if (newline < 0 && received.length <= MAX_REQUEST_BYTES) return;
    done = true;
    answering.add(socket);
    if (newline < 0 || newline > MAX_REQUEST_BYTES) {
      refuse(new RiffleError("usage", "control request too long"));
      return;
    }
    answer(received.toString("utf8", 0, newline), options).then((result) => finish({ ok: true, result }), refuse);
  });
}

async function answer(line: string, options: ControlServerOptions): Promise<Readonly<Record<string, unknown>>> {
  return options.handle(decodeRequest(line));
}
