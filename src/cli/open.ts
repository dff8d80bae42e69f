import type { Artifact } from "../artifact/artifact.ts";
import type { Prefetch } from "../artifact/fill-ahead.ts";
import type { OpenOptions } from "../artifact/open-artifact.ts";
import type { Unpack } from "../artifact/unpack-layers.ts";
import { parseMirrorAddress } from "../oci/mirror-address.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import type { Credential, CredentialSource } from "../registry/credential.ts";
import type { CredentialPlaces } from "../registry/load-credential.ts";
import type { Mirror } from "../registry/mirror.ts";
import type { RegistryOptions } from "../registry/open-registry.ts";
import type { Context, Flags } from "./command.ts";
import { readPassword } from "./credentials-input.ts";
import { createListingProgress } from "./listing-progress.ts";
import type { Log } from "./log.ts";
import type { MirrorSetting } from "./mirror-settings.ts";
import type { Settings } from "./settings.ts";

/** What a command adds to the settings. */
export interface Narrowing {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly subpath?: string;
  readonly frugal?: boolean;
  readonly noCache?: boolean;
  readonly prefetch?: Prefetch;
  readonly unpack?: Unpack;
}

/** All that opening an artifact takes, as JSON: it can be told to a daemon. */
export interface OpenOrder {
  readonly reference: string;
  readonly cacheDir?: string;
  readonly cacheBytes: number;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  readonly caFile?: string;
  readonly platform?: string;
  readonly timeoutMs: number;
  readonly proxies: Readonly<Record<string, string>>;
  readonly frugal: boolean;
  readonly extents: boolean;
  readonly offline: boolean;
  readonly prefetch: Prefetch;
  /** Of the reference's registry. */
  readonly mirrors: readonly MirrorSetting[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly subpath?: string;
  readonly traceFile?: string;
  readonly unpack: Unpack;
  /** Of `--username`: these, and no others. */
  readonly credential?: Credential;
  readonly places: CredentialPlaces;
}

const UNPACKS: readonly Unpack[] = ["auto", "all", "none"];

/** `--unpack`, whose choices were checked when it was read. */
export function unpackOf(flags: Flags): Unpack {
  return UNPACKS.find((how) => how === flags.text("unpack")) ?? "auto";
}

const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** INTERFACE section 5, "Credentials". */
export function credentialPlacesOf({ settings, environment, places }: Context): CredentialPlaces {
  const registryConfig = settings.registryConfig;
  const authFile = environment["REGISTRY_AUTH_FILE"];
  const dockerConfig = environment["DOCKER_CONFIG"];
  const runtimeDirectory = environment["XDG_RUNTIME_DIR"];
  return {
    home: places.home,
    ...(registryConfig !== undefined && { registryConfig }),
    ...(authFile !== undefined && authFile !== "" && { authFile }),
    ...(dockerConfig !== undefined && dockerConfig !== "" && { dockerConfig }),
    ...(runtimeDirectory !== undefined && runtimeDirectory !== "" && { runtimeDirectory }),
  };
}

/** The settings of a command for one reference; reads the password where one is promised on stdin. */
export async function openOrderOf(context: Context, reference: string, narrowing: Narrowing = {}): Promise<OpenOrder> {
  const { settings, environment, signal } = context;
  const {
    noCache = settings.noCache,
    subpath,
    include = [],
    exclude = [],
    frugal = false,
    prefetch = "none",
    unpack = "auto",
  } = narrowing;
  const { username, caFile, platform, cacheDir, traceFile } = settings;
  const credential =
    username !== undefined && settings.passwordStdin ? { username, password: await readPassword(signal) } : undefined;
  const proxies = PROXY_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    reference,
    cacheBytes: settings.cacheBytes,
    plainHttp: settings.plainHttp,
    insecure: settings.insecure,
    timeoutMs: settings.timeoutMs,
    proxies: Object.fromEntries(proxies),
    frugal,
    extents: !settings.noExtents,
    offline: settings.offline,
    prefetch,
    mirrors: mirrorsOf(reference, settings),
    include,
    exclude,
    unpack,
    places: credentialPlacesOf(context),
    ...(!noCache && { cacheDir }),
    ...(caFile !== undefined && { caFile }),
    ...(platform !== undefined && { platform }),
    ...(subpath !== undefined && { subpath }),
    ...(traceFile !== undefined && { traceFile }),
    ...(credential !== undefined && { credential }),
  };
}

/** Asked at a registry's first challenge: the files are read then, and never for an anonymous one. */
export function credentialSourceOf(order: OpenOrder, reference: Reference, log: Log): CredentialSource | undefined {
  if (reference.kind === "layout") return undefined;
  const { credential, places } = order;
  if (credential !== undefined) return () => Promise.resolve(credential);
  const { host, repository } = reference;
  return async () => {
    const { loadCredential } = await import("../registry/load-credential.ts");
    return loadCredential(host, places, { repository, warn: (message) => log("warn", message) });
  };
}

function mirrorsOf(text: string, settings: Settings): readonly MirrorSetting[] {
  const reference = parseReference(text);
  return reference.kind === "layout" ? [] : (settings.mirrors[reference.host] ?? []);
}

/** With the credentials that are kept for each: those of the registry, and of `--username`, are not for its mirrors. */
function withCredentials({ mirrors, places }: OpenOrder, repository: string, log: Log): readonly Mirror[] {
  return mirrors.map((mirror) => {
    const host = parseMirrorAddress(mirror.host)?.host ?? mirror.host;
    const credentials: CredentialSource = async () => {
      const { loadCredential } = await import("../registry/load-credential.ts");
      return loadCredential(host, places, { repository, warn: (message) => log("warn", message) });
    };
    return { ...mirror, credentials };
  });
}

export function openOptionsOf(order: OpenOrder, log: Log): OpenOptions {
  const { reference: text, credential: _, places: __, mirrors, ...rest } = order;
  const reference = parseReference(text);
  const credentials = credentialSourceOf(order, reference, log);
  return {
    ...rest,
    log,
    ...(credentials !== undefined && { credentials }),
    ...(reference.kind === "registry" &&
      mirrors.length > 0 && { mirrors: { [reference.host]: withCredentials(order, reference.repository, log) } }),
  };
}

/** The same for those who ask a registry directly. No wait of its own is longer than the bound on all of them. */
export function registryOptionsOf(order: OpenOrder, log: Log): RegistryOptions {
  const { insecure, caFile, proxies, plainHttp, timeoutMs } = order;
  const credentials = credentialSourceOf(order, parseReference(order.reference), log);
  const within = (ms: number): number => Math.min(ms, timeoutMs);
  const waits = {
    connectTimeoutMs: within(10_000),
    firstByteTimeoutMs: within(30_000),
    stallTimeoutMs: within(30_000),
  };
  return {
    plainHttp,
    timeoutMs,
    log,
    http: { insecure, proxies, ...waits, ...(caFile !== undefined && { caFile }) },
    ...(credentials !== undefined && { credentials }),
  };
}

/** Opens what was ordered. The artifact room is loaded here, not with the command line. */
export async function openOrdered(
  order: OpenOrder,
  context: Pick<Context, "signal" | "log"> &
    Partial<Pick<Context, "notes" | "settings">> &
    Pick<OpenOptions, "errnoOf">,
): Promise<Artifact> {
  const { openArtifact } = await import("../artifact/open-artifact.ts");
  const { notes, settings, signal, log, errnoOf } = context;
  const progress =
    notes === undefined || settings === undefined ? undefined : createListingProgress({ notes, quiet: settings.quiet });
  try {
    return await openArtifact(order.reference, {
      ...openOptionsOf(order, log),
      signal,
      ...(errnoOf && { errnoOf }),
      ...(progress === undefined ? {} : { onListing: (state) => progress.at(state) }),
    });
  } finally {
    progress?.end();
  }
}

/** Opens `reference` as the settings say. */
export async function openFor(context: Context, reference: string, narrowing: Narrowing = {}): Promise<Artifact> {
  // A slip in the reference is told before a password is asked for.
  parseReference(reference);
  return openOrdered(await openOrderOf(context, reference, narrowing), context);
}
