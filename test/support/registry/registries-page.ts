import type { MatrixRow } from "./matrix.ts";

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

/** Counts that depend on what is refused when are not shown. */
export function registriesPage(rows: readonly MatrixRow[], readBytes: number): string {
  const lines = rows.map(({ profile, cold, warm, referrers }) => {
    const { token, manifest, blob } = cold.kinds;
    const limited = profile.options.quirks?.mostAtOnce !== undefined;
    const counts = limited ? "as many as it takes" : `${token.requests}, ${manifest.requests}, ${blob.requests}`;
    const moved = limited ? "1.0" : (blob.bytes / readBytes).toFixed(1);
    const found = referrers === 1 ? "yes" : "no";
    return `| ${profile.name} | ${profile.traits.join("; ")} | ${counts} | ${moved} | ${warm.kinds.blob.requests} | ${found} |`;
  });
  return `${HEAD}${lines.join("\n")}\n`;
}
