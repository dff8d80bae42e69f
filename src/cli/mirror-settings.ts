import { resolve } from "node:path";
import { RiffleError } from "../errors.ts";
import { parseMirrorAddress } from "../oci/mirror-address.ts";
import { parseReference } from "../oci/reference.ts";
import type { Mirror, MirrorCapability } from "../registry/mirror.ts";

/** A mirror of the configuration file; its credentials are where all credentials are. */
export type MirrorSetting = Omit<Mirror, "credentials">;
/** By the registry's host, as references name it. */
export type MirrorSettings = Readonly<Record<string, readonly MirrorSetting[]>>;

const CAPABILITIES: readonly MirrorCapability[] = ["pull", "resolve"];
const KEYS = ["host", "ns", "capabilities", "caFile", "insecure"];

/** Reads the key `mirrors`. Throws `usage` with what is off, without the key's own name. */
export function parseMirrors(value: unknown, base: string): MirrorSettings {
  if (!isRecord(value)) throw wrong("an object of lists by registry is wanted", 'such as { "docker.io": [...] }');
  const settings: Record<string, readonly MirrorSetting[]> = {};
  for (const [name, list] of Object.entries(value)) {
    const host = registryHost(name);
    if (!Array.isArray(list)) throw wrong(`${name}: a list of mirrors is wanted`);
    if (settings[host] !== undefined) throw wrong(`${name}: this registry is given twice`);
    settings[host] = list.map((one: unknown, index) => parseMirror(one, `${name}[${index}]`, base));
  }
  return settings;
}

function parseMirror(value: unknown, where: string, base: string): MirrorSetting {
  if (!isRecord(value)) throw wrong(`${where}: an object is wanted`);
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw wrong(`${where}: unknown key "${unknown.slice(0, 80)}"`, `known: ${KEYS.join(", ")}`);
  const { host, caFile } = value;
  if (typeof host !== "string" || parseMirrorAddress(host) === undefined) {
    throw wrong(`${where}: "host" is no address`, "https://HOST[:PORT], http://HOST[:PORT] or HOST[:PORT]");
  }
  if (caFile !== undefined && (typeof caFile !== "string" || caFile === ""))
    throw wrong(`${where}: "caFile" is no path`);
  const ns = parseSwitch(value, "ns", where);
  const insecure = parseSwitch(value, "insecure", where);
  const capabilities = parseCapabilities(value["capabilities"], where);
  return {
    host,
    ...(ns === undefined ? {} : { ns }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(caFile === undefined ? {} : { caFile: resolve(base, caFile) }),
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

function parseSwitch(value: Readonly<Record<string, unknown>>, key: string, where: string): boolean | undefined {
  const given = value[key];
  if (given === undefined || typeof given === "boolean") return given;
  throw wrong(`${where}: "${key}": true or false is wanted`);
}

function parseCapabilities(value: unknown, where: string): readonly MirrorCapability[] | undefined {
  if (value === undefined) return undefined;
  const words = Array.isArray(value) ? value.map((word: unknown) => CAPABILITIES.find((one) => one === word)) : [];
  const known = words.filter((word) => word !== undefined);
  if (known.length > 0 && known.length === words.length) return known;
  throw wrong(`${where}: "capabilities": a list of ${CAPABILITIES.join(" and ")} is wanted`);
}

function registryHost(name: string): string {
  try {
    const reference = parseReference(`${name}/a/b`);
    if (reference.kind === "registry" && reference.repository === "a/b") return reference.host;
  } catch {
    // Told below.
  }
  throw wrong(`"${name.slice(0, 80)}" is not the host of a registry`, "such as docker.io or localhost:5000");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(says: string, hint?: string): RiffleError {
  return new RiffleError("usage", says, hint === undefined ? {} : { hint });
}
