import type { Artifact } from "../artifact/artifact.ts";
import type { OpenOptions } from "../artifact/open-artifact.ts";
import type { Context } from "./command.ts";
import { readPassword } from "./credentials-input.ts";

export type Narrowing = Pick<OpenOptions, "include" | "exclude" | "subpath" | "frugal"> & {
  readonly noCache?: boolean;
};

const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** The settings of a command as the artifact room takes them; all but the signal and the log can cross to a daemon. */
export async function openOptionsOf(context: Context, narrowing: Narrowing = {}): Promise<OpenOptions> {
  const { settings, environment, signal } = context;
  const credentials =
    settings.username !== undefined && settings.passwordStdin
      ? { username: settings.username, password: await readPassword(signal) }
      : undefined;
  const { include = [], exclude = [], subpath, frugal = false, noCache = settings.noCache } = narrowing;
  return {
    cacheDir: noCache ? undefined : settings.cacheDir,
    cacheBytes: settings.cacheBytes,
    plainHttp: settings.plainHttp,
    insecure: settings.insecure,
    timeoutMs: settings.timeoutMs,
    proxies: Object.fromEntries(PROXY_VARIABLES.map((name) => [name, environment[name]])),
    frugal,
    ...(include.length > 0 && { include }),
    ...(exclude.length > 0 && { exclude }),
    ...(subpath !== undefined && { subpath }),
    ...(settings.platform !== undefined && { platform: settings.platform }),
    ...(settings.caFile !== undefined && { caFile: settings.caFile }),
    ...(credentials !== undefined && { credentials }),
  };
}

/** Opens `reference` as the settings say. The artifact room is loaded here, not with the command line. */
export async function openFor(context: Context, reference: string, narrowing: Narrowing = {}): Promise<Artifact> {
  const options = await openOptionsOf(context, narrowing);
  const { openArtifact } = await import("../artifact/open-artifact.ts");
  return openArtifact(reference, { ...options, signal: context.signal, log: context.log });
}
