import { closeSync, openSync } from "node:fs";
import { RiffleError } from "../errors.ts";
import { loadNative, type Native } from "./native.ts";
import { MOUNT_TYPE } from "./proc-mounts.ts";
import { runProgram, type ProgramResult } from "./program.ts";
import { MAX_READ_BYTES } from "./protocol.ts";

export interface AttachOptions {
  /** Absolute, without symbolic links. */
  readonly mountpoint: string;
  readonly source: string;
  readonly allowOther: boolean;
  /** The FUSE device's path. */
  readonly device: string;
  /** Who mounts. */
  readonly uid: number;
  readonly gid: number;
}

/**
 * Mounts and returns the device descriptor, on which the kernel's INIT waits. Root goes through mount(8) with the device
 * as a descriptor of its own; everybody else through fusermount3, which hands one over.
 */
export async function attach(options: AttachOptions): Promise<number> {
  return options.uid === 0 ? attachAsRoot(options) : attachAsUser(options, await loadNative());
}

function commonOptions(options: AttachOptions): readonly string[] {
  const lasting = ["ro", "nosuid", "nodev", "default_permissions", `max_read=${MAX_READ_BYTES}`];
  return options.allowOther ? [...lasting, "allow_other"] : lasting;
}

async function attachAsRoot(options: AttachOptions): Promise<number> {
  const { mountpoint, source, device, uid, gid } = options;
  const descriptor = openSync(device, "r+");
  try {
    // -i: no helper program; -c: the source is a name and not a path.
    const flags = ["fd=3", "rootmode=40000", `user_id=${uid}`, `group_id=${gid}`, ...commonOptions(options)];
    const result = await runProgram(
      ["mount", "-i", "-c", "-t", MOUNT_TYPE, "-o", flags.join(","), "--", source, mountpoint],
      { descriptor },
    );
    if (result.status !== 0) throw attachError(options, result);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

async function attachAsUser(options: AttachOptions, native: Native): Promise<number> {
  const [ours, theirs] = native.socketPair();
  try {
    const flags = [...commonOptions(options), "subtype=riffle", `fsname=${escapeOption(options.source)}`];
    const result = await runProgram(["fusermount3", "-o", flags.join(","), "--", options.mountpoint], {
      descriptor: theirs,
      env: { _FUSE_COMMFD: "3" },
    });
    if (result.status !== 0) throw attachError(options, result);
    const descriptor = native.receiveDescriptor(ours);
    if (descriptor === undefined) throw new RiffleError("machine", "fusermount3 mounted but handed over no device");
    return descriptor;
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** fusermount3 takes a backslash before what would end a value. */
export function escapeOption(value: string): string {
  return value.replaceAll(/[\\,]/g, (mark) => `\\${mark}`);
}

function attachError(options: AttachOptions, result: ProgramResult): RiffleError {
  const { mountpoint, allowOther } = options;
  const facts = { mountpoint, status: result.status };
  const denied = /permi|denied|allowed/i.test(result.complaint);
  if (denied && allowOther && result.complaint.includes("user_allow_other")) {
    return new RiffleError("permission", "other users may not be let in by this user", {
      hint: "set user_allow_other in /etc/fuse.conf, or leave --allow-other out",
      facts,
    });
  }
  return new RiffleError(denied ? "permission" : "machine", `${mountpoint} cannot be mounted: ${result.complaint}`, {
    hint:
      options.uid === 0
        ? "a container needs --device /dev/fuse and --cap-add SYS_ADMIN"
        : "the mountpoint must be a directory that this user may write to",
    facts,
  });
}
