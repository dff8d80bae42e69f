import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** A descriptor of `/dev/fuse` in this process. */
export interface HeldDevice {
  readonly fd: number;
  /** The connection's number, on kernels that tell it. */
  readonly connection: string | undefined;
}

export function heldDevices(): readonly HeldDevice[] {
  try {
    return readdirSync("/proc/self/fd").flatMap((name): HeldDevice[] => {
      const device = heldDevice(Number(name));
      return device === undefined ? [] : [device];
    });
  } catch {
    return [];
  }
}

export function isStillHeld(device: HeldDevice): boolean {
  const now = heldDevice(device.fd);
  return now !== undefined && now.connection === device.connection;
}

export function heldDevice(fd: number): HeldDevice | undefined {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== "/dev/fuse") return undefined;
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    return { fd, connection: /^fuse_connection:\s*([0-9]+)/m.exec(info)?.[1] };
  } catch {
    return undefined;
  }
}
