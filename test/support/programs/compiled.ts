import type { Backend } from "../../../src/mount/backend.ts";
import type { kernelBackend as KernelBackend } from "../../../src/mount/kernel-backend.ts";
import type { libfuseBackend as LibfuseBackend } from "../../../src/mount/libfuse-backend.ts";

/** A module of the compiled package, as users get it: its threads start from beside it. */
export async function compiled(module: string): Promise<unknown> {
  return import(new URL(`../../../../dist/${module}.js`, import.meta.url).href);
}

export async function compiledBackend(name: "kernel" | "libfuse"): Promise<Backend> {
  const module = await compiled(`mount/${name}-backend`);
  return name === "kernel"
    ? (module as { kernelBackend: typeof KernelBackend }).kernelBackend()
    : (module as { libfuseBackend: typeof LibfuseBackend }).libfuseBackend();
}
