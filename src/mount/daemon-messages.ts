import type { LogLevel } from "./backend.ts";
import type { WireError } from "./control-protocol.ts";

/**
 * What a command and the daemon it starts say to each other until the daemon stands on its own. They go over a channel that
 * both inherit: neither `/proc/<pid>/cmdline` nor `environ` shows any of it.
 */
export type ToDaemon =
  | { readonly kind: "start"; readonly payload: unknown }
  /** Leave nothing behind and end. So does the loss of the channel before `detach`. */
  | { readonly kind: "cancel" }
  /** The command has what it needs; from now on the mount decides. */
  | { readonly kind: "detach" };

export type FromDaemon =
  | { readonly kind: "hello" }
  | { readonly kind: "notice"; readonly level: LogLevel; readonly message: string }
  | { readonly kind: "ready"; readonly session: unknown }
  | { readonly kind: "error"; readonly error: WireError };

const KINDS_TO_DAEMON: ReadonlySet<string> = new Set(["start", "cancel", "detach"]);
const KINDS_FROM_DAEMON: ReadonlySet<string> = new Set(["hello", "notice", "ready", "error"]);

/** Both ends are this program; the check is against messages of other libraries on the same channel. */
export function isToDaemon(value: unknown): value is ToDaemon {
  return KINDS_TO_DAEMON.has(kindOf(value));
}

export function isFromDaemon(value: unknown): value is FromDaemon {
  return KINDS_FROM_DAEMON.has(kindOf(value));
}

function kindOf(value: unknown): string {
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  return typeof kind === "string" ? kind : "";
}
