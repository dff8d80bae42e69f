import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { abortError, RiffleError } from "../errors.ts";
import type { LogLevel } from "./backend.ts";
import { fromWireError } from "./control-protocol.ts";
import { isFromDaemon, type ToDaemon } from "./daemon-messages.ts";

export interface SpawnDaemonOptions {
  /** A compiled program that calls `runDaemon`. */
  readonly entry: URL;
  /** What its handler gets, as JSON: options and credentials. Seen by nobody else. */
  readonly payload: unknown;
  /** Until the mount must answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** What the daemon has to say before it is ready: warnings about the artifact. */
  readonly onNotice?: (level: LogLevel, message: string) => void;
  /** The environment of the daemon. Default: ours. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface Daemon {
  readonly pid: number;
  /** What the handler gave as `session`. */
  readonly session: unknown;
}

/** After a cancel the daemon may still be in the middle of a mount: it gets this long to undo it. */
const CANCEL_MS = 8000;

/**
 * Starts a process of its own session that outlives us, and waits until it says that its mount answers. Its standard
 * streams are `/dev/null` and it holds none of our descriptors. Rejects with the daemon's own error, with `timeout`, with
 * the reason of `signal`, or with `internal` when it dies; no mount is left behind then.
 */
export async function spawnDaemon(options: SpawnDaemonOptions): Promise<Daemon> {
  if (options.signal?.aborted === true) throw abortError(options.signal);
  const child = spawn(process.execPath, [fileURLToPath(options.entry)], {
    detached: true,
    cwd: "/",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: { ...(options.environment ?? process.env) },
  });
  try {
    const session = await untilReady(child, options);
    await tell(child, { kind: "detach" });
    const pid = child.pid ?? 0;
    child.disconnect();
    child.unref();
    return { pid, session };
  } catch (error) {
    await cancel(child);
    throw error;
  }
}

function untilReady(child: ChildProcess, options: SpawnDaemonOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      child.removeAllListeners("message").removeAllListeners("exit");
      end();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const onAbort = (): void => fail(abortError(options.signal));
    const timer = setTimeout(() => {
      fail(new RiffleError("timeout", `the mount did not answer within ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    child.on("error", (cause) => fail(new RiffleError("machine", "cannot start the daemon", { cause })));
    child.once("exit", (code, signal) => {
      const how = signal === null ? `with exit code ${code ?? "unknown"}` : `by ${signal}`;
      fail(
        new RiffleError("internal", `the daemon ended ${how} before its mount answered`, { hint: "try --foreground" }),
      );
    });
    child.on("message", (message: unknown) => {
      if (!isFromDaemon(message)) return;
      switch (message.kind) {
        case "hello":
          tell(child, { kind: "start", payload: options.payload }).catch(fail);
          break;
        case "notice":
          options.onNotice?.(message.level, message.message);
          break;
        case "ready":
          settle(() => resolve(message.session));
          break;
        case "error":
          fail(fromWireError(message.error));
          break;
      }
    });
  });
}

function tell(child: ChildProcess, message: ToDaemon): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!child.connected) {
      reject(new RiffleError("internal", "the daemon ended before its mount answered"));
      return;
    }
    child.send(message, (cause) => {
      if (cause === null) resolve();
      else reject(new RiffleError("internal", "the daemon ended before its mount answered", { cause }));
    });
  });
}

async function cancel(child: ChildProcess): Promise<void> {
  // A process that could not be started has no number.
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await tell(child, { kind: "cancel" }).catch(() => undefined);
  const timer = setTimeout(() => child.kill("SIGKILL"), CANCEL_MS);
  await exited;
  clearTimeout(timer);
}
