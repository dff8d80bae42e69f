import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { createHttpClient, type HttpClientOptions } from "../../src/fetch/http-client.ts";
import type { StreamingSource } from "../../src/bytes/source.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { openRegistry, type RegistryOptions } from "../../src/registry/open-registry.ts";
import { reachOfAddress, reachOfHost, type Reach } from "../../src/fetch/reach.ts";
import { HAS_OPENSSL, makeCertificate } from "../support/certificates.ts";
import { namedHosts, type NamedHosts, type NamedHostsOptions } from "../support/named-hosts.ts";

const BYTES = Buffer.from("the bytes of the blob");
const DIGEST = digestOf(BYTES);
const CREDENTIAL = { username: "me", password: "s3cret" };

const REACHES: Readonly<Record<string, Reach>> = {
  "registry.example": "public",
  "storage.example": "public",
  "link.example": "link-local",
  "loop.example": "loopback",
  "site.example": "unique-local",
  "private.example": "private",
  "harbor.corp.example": "private",
};

/** The blob of an artifact at `host`, with what a user has there. */
function blobAt(
  hosts: NamedHosts,
  host: string,
  options: RegistryOptions = {},
): { readonly blob: StreamingSource; readonly close: () => Promise<void> } {
  const registry = openRegistry(parseReference(`${host}:${hosts.port}/eo/scenes@${DIGEST}`), {
    plainHttp: true,
    attempts: 1,
    credentials: () => Promise.resolve(CREDENTIAL),
    ...options,
    http: { ...hosts.addresses, ...options.http },
  });
  const descriptor = { mediaType: "application/octet-stream", digest: DIGEST, size: BYTES.length, annotations: {} };
  return { blob: registry.blob(descriptor), close: () => registry.close() };
}

/** The registry redirects to the first of `way`, that to the next, and the last gives the blob. */
function redirecting(way: readonly string[]): NamedHostsOptions["answer"] {
  return ({ host, url }, response) => {
    const next = way[way.indexOf(host) + 1];
    const port = url.split("port=")[1] ?? "";
    if (next !== undefined) response.writeHead(307, { location: `http://${next}:${port}/x?port=${port}` }).end();
    else response.writeHead(206, { "content-range": `bytes 0-20/${BYTES.length}` }).end(BYTES);
  };
}

const WHOLE = { start: 0, end: BYTES.length };

async function readOver(way: readonly string[], from = "registry.example"): Promise<readonly unknown[]> {
  const chain = redirecting(way);
  let port = 0;
  const answer: NamedHostsOptions["answer"] = (asked, response) =>
    chain({ ...asked, url: `/x?port=${port}` }, response);
  await using hosts = await namedHosts({ reaches: REACHES, answer });
  ({ port } = hosts);
  const { blob, close } = blobAt(hosts, from);
  try {
    const outcome = await blob.read(WHOLE).then(
      (bytes) => Buffer.from(bytes).toString(),
      (error: unknown) => (error as { code: string }).code, // RiffleErrors alone come from a source
    );
    return [outcome, ...hosts.connected];
  } finally {
    await close();
  }
}

test("a redirect of a public registry to a name that stands for an inner address is refused before anything is sent", async () => {
  for (const inner of ["link.example", "loop.example", "site.example", "private.example"])
    expect(await readOver([inner])).toEqual(["misbehaved", "registry.example"]);
  expect(await readOver(["storage.example"])).toEqual([BYTES.toString(), "registry.example", "storage.example"]);
});

test("a redirect over a public host leads no further inside than one from the registry", async () => {
  const outer = ["registry.example", "storage.example"];
  expect(await readOver(["storage.example", "loop.example"])).toEqual(["misbehaved", ...outer]);
  const inner = ["harbor.corp.example", "storage.example"];
  expect(await readOver(["storage.example", "loop.example"], "harbor.corp.example")).toEqual(["misbehaved", ...inner]);
});

test("a registry inside this network may name its neighbours, and never a metadata service", async () => {
  const from = "harbor.corp.example";
  expect(await readOver(["private.example"], from)).toEqual([BYTES.toString(), from, "private.example"]);
  expect(await readOver(["link.example"], from)).toEqual(["misbehaved", from]);
});

test("a name that changes its address under us is judged by the address that is connected to", async () => {
  let port = 0;
  const chain = redirecting(["storage.example"]);
  const answer: NamedHostsOptions["answer"] = (asked, response) => {
    response.setHeader("connection", "close");
    chain({ ...asked, url: `/x?port=${port}` }, response);
  };
  await using hosts = await namedHosts({ reaches: REACHES, answer });
  ({ port } = hosts);
  const { lookup } = hosts.addresses;
  let names = 0;
  const { blob, close } = blobAt(hosts, "registry.example", {
    http: {
      lookup: (name, options, callback) => {
        names += name === "storage.example" ? 1 : 0;
        lookup(name === "storage.example" && names > 1 ? "loop.example" : name, options, callback);
      },
    },
  });
  try {
    expect(Buffer.from(await blob.read(WHOLE)).toString()).toBe(BYTES.toString());
    await expect(blob.read(WHOLE)).rejects.toMatchObject({ code: "misbehaved" });
    expect(hosts.connected).toEqual(["registry.example", "storage.example"]);
  } finally {
    await close();
  }
});

const skipped = HAS_OPENSSL ? "" : " (skipped: no openssl)";

test.skipIf(!HAS_OPENSSL)(
  `a private address that a public registry names is connected to only where a certificate proves the name${skipped}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "riffle-reach-"));
    try {
      const tls = makeCertificate(folder);
      const { ca } = tls;
      // The certificate is for `localhost`: here the name of a machine in a private network.
      const reaches = { localhost: "private" } as const;
      await using hosts = await namedHosts({ reaches, tls, answer: (_, response) => void response.end("x") });
      const send = async (http: HttpClientOptions): Promise<unknown> => {
        const client = createHttpClient({ ...hosts.addresses, ...http });
        try {
          const namedBy = new URL("https://registry.example/");
          const answer = await client.send(new URL(`https://localhost:${hosts.port}/`), { kind: "blob", namedBy });
          answer.discard();
          return answer.status;
        } catch (error) {
          return (error as { code: string }).code; // RiffleErrors alone come from a client
        } finally {
          await client.close();
        }
      };
      expect(await send({ ca })).toBe(200);
      expect(await send({})).toBe("unreachable");
      expect(await send({ ca, insecure: true })).toBe("misbehaved");
      expect(hosts.seen).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test("a token realm of a public registry on an inner address gets neither a request nor a credential", async () => {
  for (const inner of ["link.example", "loop.example", "site.example", "private.example"]) {
    let port = 0;
    await using hosts = await namedHosts({
      reaches: REACHES,
      answer: (_, response) =>
        response.writeHead(401, { "www-authenticate": `Bearer realm="http://${inner}:${port}/token"` }).end(),
    });
    ({ port } = hosts);
    const { blob, close } = blobAt(hosts, "registry.example");
    await expect(blob.read(WHOLE)).rejects.toMatchObject({ code: "misbehaved" });
    await close();
    expect(hosts.connected).toEqual(["registry.example"]);
  }
});

test("addresses of every spelling are told apart", () => {
  const spelled: Readonly<Record<string, Reach>> = {
    "1.1.1.1": "public",
    "2606:4700::1111": "public",
    "172.32.0.1": "public",
    "64:ff9b::808:808": "public",
    "127.9.9.9": "loopback",
    "0.0.0.0": "loopback",
    "::": "loopback",
    "::1": "loopback",
    "::ffff:7f00:1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "2002:7f00:1::": "loopback",
    "169.254.169.254": "link-local",
    "64:ff9b::a9fe:a9fe": "link-local",
    "fe80::1%eth0": "link-local",
    "fd00:ec2::254": "link-local",
    "100.100.100.200": "link-local",
    "168.63.129.16": "link-local",
    "fd12::1": "unique-local",
    "10.0.0.1": "private",
    "172.31.255.255": "private",
    "192.168.0.1": "private",
    "100.64.0.1": "private",
    "no address": "loopback",
  };
  expect(Object.fromEntries(Object.keys(spelled).map((text) => [text, reachOfAddress(text)]))).toEqual(spelled);
  const names = ["localhost.", "a.localhost", "registry", "minio.internal.", "printer.local", "ghcr.io", "ghcr.io."];
  expect(names.map(reachOfHost)).toEqual(["loopback", "loopback", "private", "private", "private", "public", "public"]);
});
