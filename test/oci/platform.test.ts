import { expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { isRiffleError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { IndexManifest } from "../../src/oci/manifest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-type.ts";
import {
  contentEntries,
  entryDirectoryName,
  formatPlatform,
  machinePlatform,
  parsePlatform,
  selectPlatform,
} from "../../src/oci/platform.ts";

function entry(name: string, platform?: string, annotations: Record<string, string> = {}): Descriptor {
  const bytes = new TextEncoder().encode(name);
  const base = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length, annotations };
  if (platform === undefined) return base;
  const [os = "", architecture = "", variant] = platform.split("/");
  return { ...base, platform: variant === undefined ? { os, architecture } : { os, architecture, variant } };
}

function indexOf(...manifests: Descriptor[]): IndexManifest {
  const bytes = new Uint8Array();
  return { kind: "index", bytes, descriptor: entry("index"), mediaType: OCI_INDEX, annotations: {}, manifests };
}

function pick(wanted: string, ...offers: string[]): string | undefined {
  const chosen = selectPlatform(indexOf(...offers.map((offer) => entry(offer, offer))), parsePlatform(wanted));
  return chosen?.platform === undefined ? undefined : formatPlatform(chosen.platform);
}

test.each([
  ["linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"],
  ["linux/x86_64", ["linux/arm64", "linux/amd64"], "linux/amd64"],
  ["linux/aarch64", ["linux/amd64", "linux/arm64/v8"], "linux/arm64/v8"],
  ["linux/arm64/v8", ["linux/arm64"], "linux/arm64"],
  ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm/v7", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
  ["linux/armhf", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
  ["linux/amd64", ["linux/amd64/v3", "linux/amd64"], "linux/amd64"],
  ["linux/amd64/v2", ["linux/amd64/v3", "linux/amd64/v1"], "linux/amd64/v1"],
  ["linux/amd64", ["windows/amd64", "linux/amd64/v2", "linux/amd64/v3"], "linux/amd64/v2"],
])("%s among %j is %s", (wanted, offers, chosen) => expect(pick(wanted, ...offers)).toBe(chosen));

test.each([
  ["linux/s390x", ["linux/amd64", "linux/arm64"]],
  ["linux/arm/v6", ["linux/arm/v7"]],
  ["windows/amd64", ["linux/amd64"]],
])("%s is not among %j, and the error says what is", (wanted, offers) => {
  try {
    pick(wanted, ...offers);
    expect.fail("it was found");
  } catch (error) {
    if (!isRiffleError(error)) throw error;
    expect(error.code).toBe("not-found");
    for (const offer of offers) expect(error.hint).toContain(offer);
  }
});

test("attestations are skipped, and an index without platforms means all its entries", () => {
  const attestation = entry("proof", "unknown/unknown", { "vnd.docker.reference.type": "attestation-manifest" });
  const amd = entry("amd", "linux/amd64");
  expect(selectPlatform(indexOf(attestation, amd), parsePlatform("linux/amd64"))).toBe(amd);
  const parts = [entry("one"), entry("two")];
  const index = indexOf(...parts, attestation);
  expect(selectPlatform(index, parsePlatform("linux/amd64"))).toBeUndefined();
  expect(contentEntries(index)).toEqual(parts);
});

test("this machine's platform, from Node's names", () => {
  const names = [
    machinePlatform("linux", "x64"),
    machinePlatform("darwin", "arm64"),
    machinePlatform("linux", "arm"),
    machinePlatform("linux", "ppc64"),
    machinePlatform("linux", "ppc64", "BE"),
    machinePlatform("win32", "ia32"),
  ];
  expect(names.map(formatPlatform)).toEqual([
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/ppc64le",
    "linux/ppc64",
    "windows/386",
  ]);
  expect(selectPlatform(indexOf(entry("here", formatPlatform(machinePlatform()))), undefined)).toBeDefined();
});

test("names that every object has are names like any other", () => {
  const names = ["constructor/amd64", "linux/constructor", "__proto__/__proto__", "linux/valueof"];
  for (const name of names) {
    expect(formatPlatform(parsePlatform(name))).toBe(name);
    const odd = entry("odd", name);
    expect(() => selectPlatform(indexOf(odd), parsePlatform("linux/amd64"))).toThrow(/no entry for the platform/);
    expect(selectPlatform(indexOf(odd), parsePlatform(name))).toBe(odd);
  }
});

test.each(["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "lin ux/amd64", "linux/$(x)"])(
  "%j is not a platform",
  (text) => {
    expect(() => parsePlatform(text)).toThrow(/not a platform/);
  },
);

test("an entry's directory is its name, else its digest", () => {
  expect(entryDirectoryName(entry("a", undefined, { "org.opencontainers.image.ref.name": "north" }))).toBe("north");
  expect(entryDirectoryName(entry("a"))).toMatch(/^sha256-[0-9a-f]{12}$/);
});
