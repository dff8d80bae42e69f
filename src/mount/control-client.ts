import { connect } from "node:net";
import { abortError, RiffleError } from "../errors.ts";
import {
  decodeResponse,
  encodeRequest,
  fromWireError,
  MAX_RESPONSE_BYTES,
  type ControlRequest,
} from "./control-protocol.ts";

export interface AskOptions {
  /** Bounds the whole exchange. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * One request to the daemon behind `path`. Rejects with the daemon's own error; with `closed` when nobody listens, with
 * `timeout` when it does not answer in time, with `machine` when it speaks another protocol version.
 */
export async function askDaemon(
  path: string,
  request: ControlRequest,
  options: AskOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const response = decodeResponse(await exchange(path, encodeRequest(request), options));
  if (!response.ok) throw fromWireError(response.error);
  return response.result;
}

function exchange(path: string, line: string, options: AskOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted === true) {
      reject(abortError(options.signal));
      return;
    }
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      end();
    };
    const fail = (error: RiffleError): void => settle(() => reject(error));
    const onAbort = (): void => fail(abortError(options.signal));
    const timer = setTimeout(() => {
      fail(new RiffleError("timeout", `the daemon did not answer within ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", (cause) => fail(new RiffleError("closed", `no daemon listens on ${path}`, { cause })));
    socket.on("data", (chunk) => {
      size += chunk.length;
      if (size > MAX_RESPONSE_BYTES) fail(new RiffleError("misbehaved", "the daemon's answer is too long"));
      else chunks.push(chunk);
    });
    socket.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      if (text.endsWith("\n")) settle(() => resolve(text));
      else fail(new RiffleError("closed", "the daemon ended before it answered"));
    });
    // Ended by the daemon's answer, not by us: a half-closed socket would look like a reader who left.
    socket.write(line);
  });
}
