import { abortError, RiffleError } from "../errors.ts";
import type { EndReason, LogLevel } from "./backend.ts";
import { toWireError } from "./control-protocol.ts";
import { isToDaemon, type FromDaemon } from "./daemon-messages.ts";
import { endBySignal, type Endable } from "./end-by-signal.ts";
import { closeInherited } from "./inherited-descriptors.ts";

export interface DaemonContext {
  readonly payload: unknown;
  /** Aborted when the command that started us changes its mind or dies. */
  readonly signal: AbortSignal;
  /** Reaches the command's user, until the mount is ready. */
  readonly notice: (level: LogLevel, message: string) => void;
}

/** A mount, as the process that lives for it sees it. */
export interface DaemonMount extends Endable {
  /** What the command is told: JSON. */
  readonly session: unknown;
  /** Resolves when the mount and everything that belongs to it is gone. */
  readonly ended: Promise<EndReason>;
  readonly log: (level: LogLevel, message: string) => void;
}

const START_MS = 30_000;
const CANCEL_MS = 10_000;
/** For what is still to be undone when a bug ends us. */
const LAST_WORDS_MS = 5000;

/**
 * The life of a process that `spawnDaemon` started: gets its payload, mounts, says so, and ends with its mount, however
 * that ends. Never returns: exits 0, or 1 after a failure.
 */
export async function runDaemon(handler: (context: DaemonContext) => Promise<DaemonMount>): Promise<never> {
  process.umask(0o077);
  closeInherited();
  const channel = openChannel();
  const running: { mount?: DaemonMount } = {};
  const onBug = (error: unknown): void => {
    void dieOfBug(error, running.mount);
  };
  process.on("uncaughtException", onBug).on("unhandledRejection", onBug);
  // Until there is a mount to end, a signal only stops the making of it.
  const stop = (): void => channel.cancel();
  process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", stop);
  try {
    const payload = await channel.start();
    const { signal } = channel;
    const mount = await handler({
      payload,
      signal,
      notice: (level, message) => channel.say({ kind: "notice", level, message }),
    });
    running.mount = mount;
    endBySignal(mount, { log: mount.log, hangup: "ignore" });
    process.off("SIGTERM", stop).off("SIGINT", stop).off("SIGHUP", stop);
    await standAlone(mount, channel);
    const reason = await mount.ended;
    mount.log("info", `ended: ${reason}`);
    process.exit(reason === "failed" ? 1 : 0);
  } catch (error) {
    await channel.say({ kind: "error", error: toWireError(error) });
    process.exit(1);
  }
}

/** Rejects, with nothing mounted, when the command went away before it knew of the mount. */
async function standAlone(mount: DaemonMount, channel: Channel): Promise<void> {
  await channel.say({ kind: "ready", session: mount.session });
  try {
    await Promise.race([channel.detached, mount.ended]);
  } catch (error) {
    await mount.close();
    await mount.ended;
    throw error;
  }
}

async function dieOfBug(error: unknown, mount: DaemonMount | undefined): Promise<void> {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  setTimeout(() => process.exit(1), LAST_WORDS_MS).unref();
  try {
    mount?.log("error", `bug: ${text}`);
    if (process.connected) process.send?.({ kind: "error", error: toWireError(error) } satisfies FromDaemon);
    await mount?.close();
  } finally {
    // The message to the command is on its way in the next turn.
    setImmediate(() => process.exit(1));
  }
}

interface Channel {
  readonly signal: AbortSignal;
  /** Rejects when the channel is lost or a cancel comes first. */
  readonly detached: Promise<void>;
  start(): Promise<unknown>;
  say(message: FromDaemon): Promise<void>;
  cancel(): void;
}

function openChannel(): Channel {
  const controller = new AbortController();
  let onStart: (payload: unknown) => void = () => undefined;
  let onDetached: () => void = () => undefined;
  const started = new Promise<unknown>((resolve) => (onStart = resolve));
  const cancelled = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(abortError(controller.signal)), { once: true });
  });
  const detached = Promise.race([new Promise<void>((resolve) => (onDetached = resolve)), cancelled]);
  detached.catch(() => undefined);
  const cancel = (): void => {
    // A handler that does not heed its signal must not outlive the command for ever.
    if (!controller.signal.aborted) setTimeout(() => process.exit(1), CANCEL_MS).unref();
    controller.abort(new RiffleError("aborted", "the mount was called off"));
  };
  process.on("message", (message: unknown) => {
    if (!isToDaemon(message)) return;
    if (message.kind === "start") onStart(message.payload);
    if (message.kind === "cancel") cancel();
    if (message.kind === "detach") {
      onDetached();
      process.off("disconnect", cancel);
      if (process.connected) process.disconnect();
    }
  });
  process.once("disconnect", cancel);
  const say = (message: FromDaemon): Promise<void> =>
    new Promise((resolve) => {
      if (process.send === undefined || !process.connected) resolve();
      else process.send(message, () => resolve());
    });
  return {
    signal: controller.signal,
    detached,
    say,
    cancel,
    start: async () => {
      if (process.send === undefined) throw new RiffleError("internal", "a daemon is started by riffle mount alone");
      const timer = setTimeout(cancel, START_MS);
      await say({ kind: "hello" });
      const payload = await Promise.race([started, cancelled]);
      clearTimeout(timer);
      return payload;
    },
  };
}
