import { RiffleError } from "../errors.ts";
import type { SharedThreads } from "../formats/shared-threads.ts";
import type { Backend } from "./backend.ts";

export type BackendName = "auto" | "kernel" | "libfuse";

export interface ChooseOptions {
  readonly platform?: string;
  /** Of an engine: its mounts share what reads their devices. */
  readonly threads?: SharedThreads | undefined;
}

/**
 * The backend asked for; `auto` is the kernel's own on Linux and libfuse elsewhere. Rejects with the reason and the remedy
 * when it cannot run here. Only the chosen one is loaded.
 */
export async function chooseBackend(
  name: BackendName,
  { platform = process.platform, threads }: ChooseOptions = {},
): Promise<Backend> {
  const isKernel = name === "kernel" || (name === "auto" && platform === "linux");
  const backend = isKernel ? await kernel(threads) : (await import("./libfuse-backend.ts")).libfuseBackend();
  const found = await backend.available();
  if (!found.ok)
    throw new RiffleError(found.code, found.reason, { hint: found.hint, facts: { backend: backend.name } });
  return backend;
}

async function kernel(threads: SharedThreads | undefined): Promise<Backend> {
  const { kernelBackend } = await import("./kernel-backend.ts");
  if (threads === undefined) return kernelBackend();
  const { SharedDevices } = await import("./shared-devices.ts");
  return kernelBackend({ devices: threads.get("devices", () => new SharedDevices()) });
}
