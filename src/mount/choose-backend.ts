import { RiffleError } from "../errors.ts";
import type { Backend } from "./backend.ts";

export type BackendName = "auto" | "kernel" | "libfuse";

/**
 * The backend asked for; `auto` is the kernel's own on Linux and libfuse elsewhere. Rejects with the reason and the remedy
 * when it cannot run here. Only the chosen one is loaded.
 */
export async function chooseBackend(name: BackendName, platform: string = process.platform): Promise<Backend> {
  const isKernel = name === "kernel" || (name === "auto" && platform === "linux");
  const backend = isKernel
    ? (await import("./kernel-backend.ts")).kernelBackend()
    : (await import("./libfuse-backend.ts")).libfuseBackend();
  const found = await backend.available();
  if (!found.ok)
    throw new RiffleError(found.code, found.reason, { hint: found.hint, facts: { backend: backend.name } });
  return backend;
}
