import { accessSync, closeSync, constants, openSync, readSync, statSync, writeSync } from "node:fs";
import { RiffleError } from "../errors.ts";
import type { Served } from "../artifact/served.ts";
import { attach } from "./attach.ts";
import { backingFiles, type BackingFiles } from "./backing-files.ts";
import type { Availability, Backend, Mounted, MountOptions } from "./backend.ts";
import { detach, type AttachedMount } from "./detach.ts";
import { heldDevice } from "./device-holder.ts";
import {
  DEFAULT_THREADS,
  startDeviceThreads,
  type DeviceThreads,
  type DeviceThreadsOptions,
} from "./device-threads.ts";
import { negotiate, type KernelAbilities } from "./init.ts";
import { KernelMount } from "./kernel-mount.ts";
import { KernelSession } from "./kernel-session.ts";
import { resolveMountpoint } from "./mountpoint.ts";
import { loadNative, type Native } from "./native.ts";
import { mountAt } from "./proc-mounts.ts";
import { REQUEST_BUFFER_BYTES } from "./protocol.ts";
import type { SharedDevices } from "./shared-devices.ts";
import { treeTotals, type TreeView } from "./tree-view.ts";

export interface KernelBackendOptions {
  /** The FUSE device; `/dev/fuse` if absent. */
  readonly device?: string;
  /** Who mounts; this process's effective user if absent. */
  readonly uid?: number;
  readonly gid?: number;
  /** Threads that the mounts of a process share; each mount has its own without it. */
  readonly devices?: SharedDevices;
}

/** The kernel's own FUSE protocol, spoken over the device by threads of this process. Linux 5.4 or newer. */
export function kernelBackend(options: KernelBackendOptions = {}): Backend {
  const who = {
    device: options.device ?? "/dev/fuse",
    uid: options.uid ?? process.geteuid?.() ?? 0,
    gid: options.gid ?? process.getegid?.() ?? 0,
    devices: options.devices,
  };
  return {
    name: "kernel",
    available: async () => deviceAvailability(who.device),
    mount: async (served, mountOptions) => mountKernel(served, mountOptions, who),
  };
}

type Who = Required<Omit<KernelBackendOptions, "devices">> & { readonly devices: SharedDevices | undefined };

function deviceAvailability(device: string): Availability {
  if (process.platform !== "linux") {
    return { ok: false, code: "machine", reason: "only Linux has the FUSE device", hint: "use --backend libfuse" };
  }
  let mode: string;
  try {
    mode = (statSync(device).mode & 0o7777).toString(8).padStart(4, "0");
  } catch {
    const hint = "modprobe fuse, or give the container --device /dev/fuse";
    return { ok: false, code: "machine", reason: `${device} does not exist`, hint };
  }
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    // Opening finds out whether the driver behind the name is there and this user, or container, may have it.
    closeSync(openSync(device, "r+"));
    return { ok: true };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    if (code === "EACCES" || code === "EPERM") {
      const reason = `${device} has mode ${mode}, and this user may not open it`;
      return { ok: false, code: "permission", reason, hint: `chmod 666 ${device}, or ask for the group that owns it` };
    }
    return { ok: false, code: "machine", reason: `${device} does not open (${code})`, hint: "modprobe fuse" };
  }
}

async function mountKernel(served: Served, options: MountOptions, who: Who): Promise<Mounted> {
  const state = deviceAvailability(who.device);
  if (!state.ok) throw new RiffleError(state.code, state.reason, { hint: state.hint });
  const mountpoint = resolveMountpoint(options.mountpoint);
  const native = await loadNative().catch((error: unknown) => {
    options.log("debug", `no passthrough: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  const descriptor = await attach({
    ...who,
    mountpoint,
    source: options.source,
    allowOther: options.allowOther === true,
  });
  const attached: AttachedMount = { mountpoint, device: mountAt(mountpoint)?.device ?? deviceOf(descriptor) };
  let abilities: KernelAbilities;
  try {
    abilities = agree(descriptor, { passthrough: who.uid === 0 && native !== undefined });
  } catch (error) {
    closeSync(descriptor);
    await detach(attached, { how: "lazy", uid: who.uid });
    throw error;
  }
  return serve(served, options, { who, attached, descriptor, abilities, native });
}

/** Of a mount that someone took out of the tree at once; empty on kernels that do not tell. */
function deviceOf(descriptor: number): string {
  const connection = heldDevice(descriptor)?.connection;
  return connection === undefined ? "" : `0:${connection}`;
}

/** Answers INIT, which is the first thing on the device once mounting is done; so nothing here waits. */
function agree(descriptor: number, options: { readonly passthrough: boolean }): KernelAbilities {
  const request = new Uint8Array(REQUEST_BUFFER_BYTES);
  for (;;) {
    const length = readSync(descriptor, request, 0, request.length, null);
    const answer = negotiate(request.subarray(0, length), options);
    if (answer.reply.length > 0) writeSync(descriptor, answer.reply);
    if (answer.kind === "ready") return answer.abilities;
    if (answer.kind === "refused") throw answer.error;
  }
}

async function startThreads(devices: SharedDevices | undefined, options: DeviceThreadsOptions): Promise<DeviceThreads> {
  return devices === undefined ? startDeviceThreads(options) : devices.start(options);
}

interface Connection {
  readonly who: Who;
  readonly attached: AttachedMount;
  readonly descriptor: number;
  readonly abilities: KernelAbilities;
  readonly native: Native | undefined;
}

async function serve(served: Served, options: MountOptions, connection: Connection): Promise<Mounted> {
  const { who, attached, descriptor, abilities, native } = connection;
  const { uid, gid, umask } = options;
  const view: TreeView = { tree: served.tree, rootRow: options.rootRow ?? served.tree.root, uid, gid, umask };
  const totals = treeTotals(view);
  const backing: BackingFiles | undefined =
    abilities.passthrough && native !== undefined ? backingFiles(descriptor, native) : undefined;
  const session = new KernelSession({
    device: descriptor,
    served,
    view,
    totals,
    rules: { pageCache: options.pageCache, directMmap: abilities.directMmap, passthrough: backing !== undefined },
    backing,
    log: options.log,
  });
  const threads = await startThreads(who.devices, {
    count: options.threads ?? DEFAULT_THREADS,
    data: {
      device: descriptor,
      tree: served.tree.buffer,
      rootRow: view.rootRow,
      uid,
      gid,
      umask,
      totals,
      slots: served.slots,
      warm: served.warm,
    },
    onMessage: (message) => session.receive(message),
  });
  let lives = false;
  const onEnd: MountOptions["onEnd"] = (reason) => {
    if (lives) options.onEnd(reason);
  };
  const mounted = new KernelMount({ session, threads, attached, descriptor, uid: who.uid, onEnd });
  try {
    await threads.ready;
  } catch (cause) {
    await mounted.close();
    throw new RiffleError("internal", "the threads of a mount do not start", { cause });
  }
  lives = true;
  options.log("debug", `mounted with FUSE 7.${abilities.minor}, device ${attached.device}`);
  return mounted;
}
