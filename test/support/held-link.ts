import { once } from "node:events";
import { Agent, createServer, request as ask } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ByteRange } from "../../src/bytes/range.ts";

/** A link to a registry on which requests for chosen bytes of blobs are not answered until they are let go. */
export interface HeldLink extends AsyncDisposable {
  /** `127.0.0.1:port`, in place of the registry's. */
  readonly host: string;
  /** From now on, what `matches` waits before its headers. `undefined`: a request for no range. */
  hold(matches: (range: ByteRange | undefined) => boolean): void;
  /** Requests that wait now, and whose client still does. */
  readonly held: () => number;
  /** Ranges of blobs asked for so far, in order. */
  readonly asked: () => readonly (ByteRange | undefined)[];
  /** What waits is answered, and nothing is held any more. */
  release(): void;
  close(): Promise<void>;
}

function rangeOf(header: string | undefined): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(header ?? "") ?? [];
  return first === undefined ? undefined : { start: Number(first), end: Number(last) + 1 };
}

/** `target` is the registry's `host`; it must not redirect elsewhere. */
export async function heldLink(target: string): Promise<HeldLink> {
  const [hostname = "", port = ""] = target.split(":");
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  const asked: (ByteRange | undefined)[] = [];
  let matches: (range: ByteRange | undefined) => boolean = () => false;
  const server = createServer((request, response) => {
    const range = rangeOf(request.headers.range);
    const isBlob = request.url?.includes("/blobs/") === true;
    if (isBlob) asked.push(range);
    const forward = (): void => {
      waiting.delete(forward);
      const { url, method, headers } = request;
      const onward = ask({ hostname, port, agent, path: url, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on("error", () => response.destroy()).pipe(response);
      });
      onward.on("error", () => response.destroy());
      response.once("close", () => onward.destroy());
      request.pipe(onward);
    };
    response.on("error", () => undefined).once("close", () => waiting.delete(forward));
    if (isBlob && matches(range)) waiting.add(forward);
    else forward();
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // a listening TCP server has an AddressInfo
  const { port: own } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    agent.destroy();
    await closed;
  };
  return {
    host: `127.0.0.1:${own}`,
    hold: (wanted) => (matches = wanted),
    held: () => waiting.size,
    asked: () => [...asked],
    release: () => {
      matches = () => false;
      for (const forward of waiting) forward();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
