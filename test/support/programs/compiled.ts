import type { Backend } from "../../../src/mount/backend.ts";
import type { kernelBackend as KernelBackend } from "../../../src/mount/kernel-backend.ts";
import type { SharedDevices as Shared } from "../../../src/mount/shared-devices.ts";
import type { libfuseBackend as LibfuseBackend } from "../../../src/mount/libfuse-backend.ts";

/** A module of the compiled package, as users get it: its threads start from beside it. */
export async function compiled(module: string): Promise<unknown> {
  return import(new URL(`../../../../dist/${module}.js`, import.meta.url).href);
}

/** A backend, or the kernel's with threads that every mount shares. */
export type TestedBackend = "kernel" | "libfuse" | "shared";

export async function compiledBackend(name: TestedBackend): Promise<Backend> {
  if (name === "shared") {
    const { kernelBackend } = (await compiled("mount/kernel-backend")) as { kernelBackend: typeof KernelBackend };
    const { SharedDevices } = (await compiled("mount/shared-devices")) as { SharedDevices: typeof Shared };
    return kernelBackend({ devices: new SharedDevices({ own: 0 }) });
  }
  const module = await compiled(`mount/${name}-backend`);
  return name === "kernel"
    ? (module as { kernelBackend: typeof KernelBackend }).kernelBackend()
    : (module as { libfuseBackend: typeof LibfuseBackend }).libfuseBackend();
}
