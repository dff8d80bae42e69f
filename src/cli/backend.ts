import { RiffleError } from "../errors.ts";
import type { Backend } from "../mount/backend.ts";

/** The backend that was asked for, or the first that works here. Throws `machine` or `permission` with the reason. */
export async function chooseBackend(name: "auto" | "kernel" | "libfuse"): Promise<Backend> {
  throw new RiffleError("machine", `no backend ${name}`);
}
