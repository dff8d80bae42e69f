import { parseArgs } from "node:util";
import type { RegistryOptions } from "./options.ts";
import { startRegistry, type RegistryHandle } from "./server.ts";

/**
 * The registry as a process of its own: `node main.js --json-config '{"latencyMs":20}'` prints one line of JSON,
 * `{"host","url","pid"}`, and runs until SIGTERM or SIGINT. Started by `spawnRegistry` it also answers calls and ends
 * with its parent.
 */
const { values } = parseArgs({ options: { "json-config": { type: "string", default: "{}" } } });
// the one who starts us writes RegistryOptions; a wrong member is simply unused
const config = JSON.parse(values["json-config"]) as RegistryOptions & { readonly port?: number };
const registry = await startRegistry(config);

const end = (): void => void registry.close().finally(() => process.exit(0));
process.on("SIGTERM", end);
process.on("SIGINT", end);

export interface RegistryCall {
  readonly id: number;
  readonly method: "counters" | "records" | "reset" | "configure" | "addBlob" | "addManifest" | "addFile";
  readonly args: readonly unknown[];
}

export interface RegistryReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

async function perform({ id, method, args }: RegistryCall): Promise<RegistryReply> {
  try {
    // the parent is spawnRegistry, whose handle has these very signatures
    const call = registry[method] as (...args: readonly unknown[]) => ReturnType<RegistryHandle[typeof method]>;
    return { id, value: await call(...args) };
  } catch (error) {
    return { id, error: String(error) };
  }
}

process.on("disconnect", end);
process.on("message", (message) => {
  // only spawnRegistry holds the other end of the channel
  void perform(message as RegistryCall).then((reply) => process.send?.(reply));
});
process.stdout.write(`${JSON.stringify({ host: registry.host, url: registry.url, pid: process.pid })}\n`);
