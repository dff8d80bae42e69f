import { asRiffleError } from "../exit.ts";
import { fail, ok, warn, type Check } from "./check.ts";

/** Mounts whose process is gone or silent: whoever looks into them waits or fails. */
export async function mountsCheck(runtimeDir: string, signal: AbortSignal): Promise<Check> {
  const name = "mounts";
  try {
    const { listSessions } = await import("../../mount/sessions.ts");
    const sessions = await listSessions({ directory: runtimeDir, signal });
    const broken = sessions.filter(({ status }) => status === "dead" || status === "hung");
    if (broken.length === 0) return ok(name, `${sessions.length} of yours, none dead`);
    const list = broken.map(({ mountpoint, status }) => `${mountpoint} is ${status}`).join(", ");
    return warn(name, list, `riffle unmount ${broken.map(({ mountpoint }) => mountpoint).join(" ")}`);
  } catch (error) {
    const { code, message, hint } = asRiffleError(error);
    if (code === "aborted") throw error;
    return fail(name, message, hint ?? "riffle status shows more");
  }
}
