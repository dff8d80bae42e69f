import { RiffleError } from "../errors.ts";
import type { Backend } from "../mount/backend.ts";

async function load(name: "kernel" | "libfuse"): Promise<Backend> {
  if (name === "kernel") return (await import("../mount/kernel-backend.ts")).kernelBackend();
  return (await import("../mount/libfuse-backend.ts")).libfuseBackend();
}

/**
 * The backend that was asked for, or the first that works here. Throws `machine` or `permission` with the reason of the
 * one that was asked for, or of the first.
 */
export async function chooseBackend(name: "auto" | "kernel" | "libfuse"): Promise<Backend> {
  const names: readonly ("kernel" | "libfuse")[] = name === "auto" ? ["kernel", "libfuse"] : [name];
  let refusal: RiffleError | undefined;
  for (const candidate of names) {
    const backend = await load(candidate);
    const available = await backend.available();
    if (available.ok) return backend;
    refusal ??= new RiffleError(available.code, available.reason, { hint: available.hint });
  }
  throw refusal ?? new RiffleError("machine", "no way to mount is known");
}
