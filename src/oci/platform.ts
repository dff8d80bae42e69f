import { digestAlgorithm, digestHex } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";
import type { Descriptor, Platform } from "./descriptor.ts";
import type { IndexManifest } from "./manifest.ts";

/** Names that people and machines use for Go's architectures (containerd `platforms` package). */
const ARCHITECTURES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ["x64", ["amd64"]],
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["ia32", ["386"]],
  ["i386", ["386"]],
  ["i686", ["386"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
  ["mipsel", ["mipsle"]],
]);
const SYSTEMS: ReadonlyMap<string, string> = new Map([
  ["macos", "darwin"],
  ["win32", "windows"],
]);
/** The variant that an entry without one is built for. */
const BASE_VARIANT: ReadonlyMap<string, number> = new Map([
  ["amd64", 1],
  ["arm", 7],
  ["arm64", 8],
]);

function normalize(os: string, architecture: string, variant?: string): Platform {
  const [arch, implied] = ARCHITECTURES.get(architecture) ?? [architecture];
  const chosen = variant ?? implied;
  const system = SYSTEMS.get(os) ?? os;
  return chosen === undefined
    ? { os: system, architecture: arch }
    : { os: system, architecture: arch, variant: chosen };
}

/** `OS/ARCH[/VARIANT]`; throws `usage`. Common aliases of architectures are understood. */
export function parsePlatform(text: string): Platform {
  const [os = "", architecture = "", variant, ...rest] = text.toLowerCase().split("/");
  const parts = [os, architecture, variant ?? "x"];
  if (rest.length > 0 || !parts.every((part) => /^[a-z0-9_.-]{1,64}$/.test(part))) {
    throw new RiffleError("usage", `not a platform: "${text.slice(0, 80)}"`, {
      hint: "write OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64",
    });
  }
  return normalize(os, architecture, variant);
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** The platform whose images run here, from Node's names. Images for a Mac are Linux images, as Docker has it. */
export function machinePlatform(
  system: string = process.platform,
  architecture: string = process.arch,
  endianness: "BE" | "LE" = "LE",
): Platform {
  const arch = architecture === "ppc64" && endianness === "LE" ? "ppc64le" : architecture;
  return normalize(system === "darwin" ? "linux" : system, arch, arch === "arm" ? "v7" : undefined);
}

/** BuildKit stores attestations as entries for `unknown/unknown`; they are not content. */
export function isAttestation(entry: Descriptor): boolean {
  return (
    (entry.platform?.os === "unknown" && entry.platform.architecture === "unknown") ||
    entry.annotations["vnd.docker.reference.type"] === "attestation-manifest"
  );
}

function variantNumber(platform: Platform): number {
  const number = /^v?(\d{1,3})(?:\.\d+)?$/.exec(platform.variant ?? "")?.[1];
  return number === undefined ? (BASE_VARIANT.get(platform.architecture) ?? 0) : Number(number);
}

/** How far an entry is from what is wanted: 0 is the thing itself, undefined does not run there. */
function distance(wanted: Platform, offered: Platform): number | undefined {
  const entry = normalize(offered.os, offered.architecture, offered.variant);
  if (entry.os !== wanted.os || entry.architecture !== wanted.architecture) return undefined;
  if (entry.variant === wanted.variant) return 0;
  if (wanted.variant === undefined) return 1 + variantNumber(entry);
  const gap = variantNumber(wanted) - variantNumber(entry);
  if (!BASE_VARIANT.has(wanted.architecture)) return entry.variant === undefined ? 1 : undefined;
  return gap < 0 ? undefined : gap + 1;
}

/**
 * The entry for `platform` (default: this machine's). Undefined when no entry names a platform: then all entries belong
 * to the artifact. Throws `not-found` with what there is.
 */
export function selectPlatform(index: IndexManifest, platform: Platform | undefined): Descriptor | undefined {
  const wanted = platform ?? machinePlatform();
  const entries = index.manifests.filter((entry) => !isAttestation(entry));
  const offers = entries.flatMap((entry) =>
    entry.platform === undefined ? [] : [{ entry, platform: entry.platform }],
  );
  if (offers.length === 0) return undefined;
  let best: { readonly entry: Descriptor; readonly distance: number } | undefined;
  for (const offer of offers) {
    const far = distance(normalize(wanted.os, wanted.architecture, wanted.variant), offer.platform);
    if (far !== undefined && (best === undefined || far < best.distance)) best = { entry: offer.entry, distance: far };
  }
  if (best !== undefined) return best.entry;
  const there = [...new Set(offers.map((offer) => formatPlatform(offer.platform)))].slice(0, 20).join(", ");
  throw new RiffleError("not-found", `there is no entry for the platform ${formatPlatform(wanted)}`, {
    hint: `choose with --platform among ${there.slice(0, 600)}`,
  });
}

/** The entries of an index without platforms that hold content, in order. */
export function contentEntries(index: IndexManifest): readonly Descriptor[] {
  return index.manifests.filter((entry) => !isAttestation(entry));
}

/** The wished directory of an entry of an index without platforms. Not yet made safe: naming rules apply to it. */
export function entryDirectoryName(descriptor: Descriptor): string {
  const name = descriptor.annotations["org.opencontainers.image.ref.name"];
  if (name !== undefined && name !== "") return name;
  return `${digestAlgorithm(descriptor.digest)}-${digestHex(descriptor.digest).slice(0, 12)}`;
}
