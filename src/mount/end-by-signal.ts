import { isRiffleError } from "../errors.ts";
import type { EndReason, LogLevel } from "./backend.ts";

/** What a signal can end. */
export interface Endable {
  unmount(options?: { readonly lazy?: boolean }): Promise<void>;
  close(): Promise<void>;
}

export interface EndBySignalOptions {
  readonly log: (level: LogLevel, message: string) => void;
  /** SIGHUP is a terminal's end: it ends a mount in the foreground, and means nothing to a daemon. */
  readonly hangup: "unmount" | "ignore";
}

/**
 * The first SIGTERM or SIGINT unmounts; where the mount is in use it stays. The second one takes it out of the tree whatever
 * is open. Returns what undoes the handlers.
 */
export function endBySignal(mount: Endable, options: EndBySignalOptions): () => void {
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    const end = signals === 1 ? mount.unmount() : mount.close();
    options.log("info", `${signal}: ${signals === 1 ? "unmounting" : "detaching"}`);
    end.catch((error: unknown) => {
      const busy = isRiffleError(error) && error.code === "exists";
      options.log("warn", busy ? "the mount is in use; a second signal detaches it" : String(error));
    });
  };
  const onHangup = options.hangup === "ignore" ? (): void => undefined : onSignal;
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal).on("SIGHUP", onHangup);
  return () => {
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal).off("SIGHUP", onHangup);
  };
}

/** `--foreground`: waits for the end of a mount, which a signal or the terminal's end brings about. */
export async function runForeground(
  mount: Endable & { readonly ended: Promise<EndReason> },
  log: EndBySignalOptions["log"],
): Promise<EndReason> {
  const undo = endBySignal(mount, { log, hangup: "unmount" });
  try {
    return await mount.ended;
  } finally {
    undo();
  }
}
