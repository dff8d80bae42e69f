import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { ROOT } from "../root.ts";
import type { RegistryCall, RegistryReply } from "./main.ts";
import type { RegistryCounters, RegistryOptions, RequestRecord } from "./options.ts";
import type { RegistryHandle } from "./server.ts";

/** The compiled registry; there after `node scripts/build.mjs`. */
export const REGISTRY_PROGRAM = `${ROOT}dist-tools/test/support/registry/main.js`;

type Call = <T>(method: RegistryCall["method"], ...args: readonly unknown[]) => Promise<T>;

function channel(child: ChildProcess): Call {
  const waiting = new Map<number, (reply: RegistryReply) => void>();
  let last = 0;
  child.on("message", (message) => {
    // main.ts sends nothing else
    const reply = message as RegistryReply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  child.once("exit", () => {
    for (const [id, answer] of waiting) answer({ id, error: "the test registry ended" });
    waiting.clear();
  });
  return <T>(method: RegistryCall["method"], ...args: readonly unknown[]) =>
    new Promise<T>((resolve, reject) => {
      last += 1;
      waiting.set(last, ({ value, error }) => {
        // the value of the method that was named
        if (error === undefined) resolve(value as T);
        else reject(new Error(error));
      });
      const call: RegistryCall = { id: last, method, args };
      if (!child.connected) reject(new Error("the test registry ended"));
      else child.send(call);
    });
}

/** A registry whose process can be stopped, and killed. */
export interface SpawnedRegistry extends RegistryHandle {
  readonly pid: number;
}

/** `startRegistry` in a process of its own, which ends with this one whatever becomes of it. Needs a build. */
export async function spawnRegistry(
  options: RegistryOptions & { readonly port?: number } = {},
): Promise<SpawnedRegistry> {
  if (!existsSync(REGISTRY_PROGRAM)) throw new Error(`${REGISTRY_PROGRAM} is missing: run node scripts/build.mjs`);
  const child = fork(REGISTRY_PROGRAM, ["--json-config", JSON.stringify(options)], {
    serialization: "advanced",
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    execArgv: [],
  });
  const exited = once(child, "exit");
  const { stdout } = child;
  if (stdout === null) throw new Error("no pipe to the test registry");
  const [line] = await Promise.race([
    once(createInterface(stdout), "line"),
    exited.then(() => Promise.reject(new Error("the test registry did not start"))),
  ]);
  // the one line that main.ts prints
  const { host, url, pid } = JSON.parse(String(line)) as { host: string; url: string; pid: number };
  child.unref();
  child.channel?.unref();
  const call = channel(child);
  const close = async (): Promise<void> => {
    child.ref();
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
  };
  return {
    host,
    url,
    pid,
    counters: () => call<RegistryCounters>("counters"),
    records: () => call<readonly RequestRecord[]>("records"),
    reset: () => call<void>("reset"),
    configure: (change, extra) => call<void>("configure", change, extra),
    addBlob: (digest, content) => call<void>("addBlob", digest, content),
    addManifest: (repository, manifest) => call<string>("addManifest", repository, manifest),
    addFile: (name, content) => call<void>("addFile", name, content),
    close,
    [Symbol.asyncDispose]: close,
  };
}
