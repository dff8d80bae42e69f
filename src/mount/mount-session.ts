import type { ArtifactStats } from "../artifact/accounting.ts";
import type { Served } from "../artifact/served.ts";
import { RiffleError } from "../errors.ts";
import type { Backend, EndReason, Mounted, MountOptions } from "./backend.ts";
import { CONTROL_PROTOCOL, type ControlRequest } from "./control-protocol.ts";
import { startControlServer, type ControlServer } from "./control-server.ts";
import { resolveMountpoint } from "./mountpoint.ts";
import { removePrivateMountpoint } from "./private-mount.ts";
import { mountAt } from "./proc-mounts.ts";
import { processIdentity } from "./process-identity.ts";
import { removeSessionState, writeSessionState, type SessionState } from "./session-state.ts";

export interface MountSessionOptions {
  readonly mount: Omit<MountOptions, "onEnd">;
  /** The state directory. */
  readonly directory: string;
  readonly reference: string;
  readonly digest: string;
  /** The accounting object, made on demand; `mounted` is there from the first answer on. */
  readonly stats: (mounted: Mounted, mountpoint: string) => ArtifactStats;
  readonly logPath?: string;
  /** This process lives for the mount alone. */
  readonly isDedicated: boolean;
  /** The mountpoint was made for this mount alone and goes with it. */
  readonly isPrivate?: boolean;
  readonly now?: () => Date;
}

/** A mount that other commands can see and end. */
export interface MountSession {
  readonly mounted: Mounted;
  readonly state: SessionState;
  /** Resolves once the mount, its socket, its state file and a private mountpoint are gone. */
  readonly ended: Promise<EndReason>;
}

/**
 * Mounts, and keeps what `listSessions` and `unmountAt` of other processes need for as long as the mount lives, however it
 * ends. Rejects as the backend does and leaves nothing then.
 */
export async function startMountSession(
  backend: Backend,
  served: Served,
  options: MountSessionOptions,
): Promise<MountSession> {
  const mountpoint = resolveMountpoint(options.mount.mountpoint);
  let onEnd: (reason: EndReason) => void = () => undefined;
  const reason = new Promise<EndReason>((settle) => (onEnd = settle));
  const running: { session?: { readonly mounted: Mounted; readonly state: SessionState } } = {};
  const control = await startControlServer({
    directory: options.directory,
    handle: async (request) => {
      // Another command's clean-up asks whether anybody is there: somebody is, before the mount is.
      if (request.op === "ping") return {};
      if (running.session === undefined) throw new RiffleError("closed", "the mount is not ready yet");
      return { ...(await answer(request, running.session, options)) };
    },
  });
  let file: string | undefined;
  let mounted: Mounted | undefined;
  try {
    mounted = await backend.mount(served, { ...options.mount, mountpoint, onEnd });
    const state = describe({ mountpoint, mounted, control }, options);
    file = writeSessionState(options.directory, state);
    running.session = { mounted, state };
    const ended = finish({ mounted, control, file, mountpoint, reason }, options.isPrivate === true);
    return { mounted, state, ended };
  } catch (error) {
    await mounted?.close();
    await control.close();
    if (file !== undefined) removeSessionState(file);
    throw error;
  }
}

async function finish(
  parts: {
    readonly mounted: Mounted;
    readonly control: ControlServer;
    readonly file: string;
    readonly mountpoint: string;
    readonly reason: Promise<EndReason>;
  },
  isPrivate: boolean,
): Promise<EndReason> {
  const [reason] = await Promise.all([parts.reason, parts.mounted.ended]);
  await parts.control.close();
  if (isPrivate) removePrivateMountpoint(parts.mountpoint);
  removeSessionState(parts.file);
  return reason;
}

async function answer(
  request: ControlRequest,
  session: { readonly mounted: Mounted; readonly state: SessionState },
  options: MountSessionOptions,
): Promise<object> {
  if (request.op === "stats") return options.stats(session.mounted, session.state.mountpoint);
  if (request.op === "unmount") await session.mounted.unmount({ lazy: request.lazy });
  return {};
}

function describe(
  parts: { readonly mountpoint: string; readonly mounted: Mounted; readonly control: ControlServer },
  options: MountSessionOptions,
): SessionState {
  const identity = processIdentity(process.pid);
  const device = mountAt(parts.mountpoint)?.device;
  if (identity === undefined || device === undefined) {
    throw new RiffleError("machine", `the mount at ${parts.mountpoint} does not show in /proc`, {
      hint: "mount /proc, or check that nothing unmounts it at once",
    });
  }
  return {
    protocol: CONTROL_PROTOCOL,
    mountpoint: parts.mountpoint,
    process: identity,
    dedicated: options.isDedicated,
    reference: options.reference,
    digest: options.digest,
    backend: parts.mounted.backend,
    device,
    since: (options.now?.() ?? new Date()).toISOString(),
    socket: parts.control.path,
    ...(options.logPath === undefined ? {} : { log: options.logPath }),
    ...(options.isPrivate === true ? { privateDirectory: parts.mountpoint } : {}),
  };
}
