import type { MatrixRow } from "./matrix.ts";
import type { RegistryProfile } from "./profiles.ts";

const HEAD = `# Registries

How registries differ in what a client of ranges cares for, and what riffle does at each. The table is written by
\`UPDATE_DOCS=1 npx vitest run test/conformance/registries.test.ts\` from an emulator of each (test/support/registry/profiles.ts);
the same test fails when it is out of date. Each row: opening an artifact, asking for its referrers, reading three parts of a file of 3 MiB and then all of it.
*Requests* counts those for tokens, manifests and blobs (redirects and what follows them are two), *moved* the bytes of
blobs as a multiple of what was read, *again* the blob requests of a second process with the same cache.

At none of them does riffle send a suffix, an open range or several ranges in one request, a range on a manifest, a HEAD for a
blob, credentials to another origin, more than sixteen requests at once, or a blob request without
\`Accept-Encoding: identity\`: the emulator notes each, and the test refuses it.

| registry | stands out by | requests (token, manifest, blob) | moved | again | referrers found |
|---|---|---|---|---|---|
`;

/** It answers a request for a range with all of the blob, always or at first. */
export function givesWhole({ options }: RegistryProfile): boolean {
  return options.ranges === false || options.quirks?.coldWhole === true;
}

/** It refuses requests that are too many: how many there are is a matter of time. */
export function isLimited({ options }: RegistryProfile): boolean {
  return options.quirks?.mostAtOnce !== undefined;
}

export function registriesPage(rows: readonly MatrixRow[], readBytes: number): string {
  const lines = rows.map(({ profile, cold, warm, referrers }) => {
    const { token, manifest, blob } = cold.kinds;
    const counts = isLimited(profile)
      ? "as many as it takes"
      : `${token.requests}, ${manifest.requests}, ${givesWhole(profile) ? "at most 4" : blob.requests}`;
    const moved = givesWhole(profile) ? "1.0 to 1.5" : isLimited(profile) ? "1.0" : (blob.bytes / readBytes).toFixed(1);
    const found = referrers === 1 ? "yes" : "no";
    return `| ${profile.name} | ${profile.traits.join("; ")} | ${counts} | ${moved} | ${warm.kinds.blob.requests} | ${found} |`;
  });
  return `${HEAD}${lines.join("\n")}\n`;
}
