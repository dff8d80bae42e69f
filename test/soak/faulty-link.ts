import { once } from "node:events";
import { Agent, createServer, request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "./random.ts";

/** What may happen to one exchange. None of it changes a byte that the client could take for right without a digest. */
export const FAULTS = [
  "refused",
  "reset in the body",
  "cut short",
  "late headers",
  "late body",
  "never answered",
  "stopped in the body",
  "429",
  "500",
  "503",
  "416",
  "html",
  "wrong range",
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** How often each is drawn, beside the others. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  refused: 6,
  "reset in the body": 6,
  "cut short": 6,
  "late headers": 8,
  "late body": 8,
  "never answered": 1,
  "stopped in the body": 1,
  "429": 3,
  "500": 4,
  "503": 4,
  "416": 2,
  html: 3,
  "wrong range": 3,
};

/** Late, and still within every time limit. */
const LATE_MS = 400;

export interface FaultyLink {
  /** `127.0.0.1:port`, in place of the registry's. */
  readonly host: string;
  /** Faults done so far, by kind. */
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Exchanges so far, those with a fault among them. */
  readonly exchanges: () => number;
  /** Which share of the exchanges fails. */
  setShare(share: number): void;
  close(): Promise<void>;
}

/** A link to the registry at `target` on which exchanges fail at random; redirects must stay on its host to fail, too. */
export async function faultyLink(target: string, random: Random): Promise<FaultyLink> {
  const [hostname = "", port = ""] = target.split(":");
  const agent = new Agent({ keepAlive: true });
  const faults = new Map<FaultKind, number>();
  const sockets = new Set<Socket>();
  const bag = FAULTS.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  let share = 0;
  let exchanges = 0;
  const server = createServer((request, response) => {
    exchanges += 1;
    response.on("error", () => undefined);
    const fault = random.next() < share ? random.pick(bag) : undefined;
    if (fault !== undefined) faults.set(fault, (faults.get(fault) ?? 0) + 1);
    if (fault !== undefined && answeredHere(fault, request, response)) return;
    const { url, method, headers } = request;
    const forward = ask({ hostname, port, agent, path: url, method, headers });
    // A client that leaves ends the exchange behind it.
    response.once("close", () => forward.destroy());
    forward.on("error", () => response.destroy());
    forward.on("response", (answer) => void relay(answer, response, fault).catch(() => response.destroy()));
    request.pipe(forward);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
  });
  server.keepAliveTimeout = 30_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // a listening TCP server has an AddressInfo
  const { port: own } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${own}`,
    faults,
    exchanges: () => exchanges,
    setShare: (value) => (share = value),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await closed;
    },
  };
}

/** True when the registry is not asked at all. */
function answeredHere(fault: FaultKind, request: IncomingMessage, response: ServerResponse): boolean {
  const page = "<html><body>the gateway is being restarted</body></html>";
  const end = (status: number, headers: Readonly<Record<string, string>> = {}): true => {
    response.writeHead(status, { "Content-Type": "text/html", ...headers }).end(page);
    return true;
  };
  switch (fault) {
    case "refused":
      request.socket.destroy();
      return true;
    case "never answered":
      return true;
    case "429":
      return end(429, { "Retry-After": "1" });
    case "500":
      return end(500);
    case "503":
      return end(503);
    case "416":
      return end(416, { "Content-Range": "bytes */1" });
    case "html":
      return end(200);
    case "reset in the body":
    case "cut short":
    case "late headers":
    case "late body":
    case "stopped in the body":
    case "wrong range":
      break;
  }
  return false;
}

async function relay(answer: IncomingMessage, response: ServerResponse, fault: FaultKind | undefined): Promise<void> {
  const length = Number(answer.headers["content-length"] ?? 0);
  const headers = { ...answer.headers };
  if (fault === "wrong range" && headers["content-range"] !== undefined)
    headers["content-range"] = headers["content-range"].replace(/\d+/, (start) => String(Number(start) + 4096));
  if (fault === "late headers") await sleep(LATE_MS);
  response.writeHead(answer.statusCode ?? 502, headers);
  let left = Math.floor(length / 2);
  for await (const piece of answer as AsyncIterable<Buffer>) {
    const breaks = fault !== undefined && left >= 0 && piece.length >= left;
    left -= piece.length;
    if (breaks && (fault === "reset in the body" || fault === "cut short")) {
      response.write(piece.subarray(0, piece.length >> 1));
      if (fault === "cut short") response.socket?.end();
      else response.socket?.resetAndDestroy();
      return;
    }
    if (breaks && fault === "stopped in the body") return;
    if (breaks && fault === "late body") await sleep(LATE_MS);
    if (!response.write(piece)) await taken(response);
  }
  response.end();
}

/** Resolves when there is room for more, or nobody wants it. */
function taken(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}
