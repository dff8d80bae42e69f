import { gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { openRegistry, type RegistryOptions } from "../../src/registry/open-registry.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { HAS_OPENSSL, makeCertificate, temporaryFolder } from "../support/certificates.ts";
import { serve, type Answer, type Cleanups } from "../registry/fake-registry.ts";

const CREDENTIAL = { username: "me", password: "s3cret" };
const BASIC = `Basic ${Buffer.from("me:s3cret").toString("base64")}`;
const BYTES = Buffer.from("the bytes of the blob");
const DIGEST = digestOf(BYTES);
const DESCRIPTOR = { mediaType: "application/octet-stream", digest: DIGEST, size: BYTES.length, annotations: {} };
const WHOLE = { start: 0, end: BYTES.length };

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const undo of cleanups.splice(0).reverse()) await undo();
});

function registryAt(host: string, options: RegistryOptions = {}): Registry {
  const registry = openRegistry(parseReference(`${host}/eo/scenes@${DIGEST}`), {
    attempts: 1,
    credentials: () => Promise.resolve(CREDENTIAL),
    ...options,
  });
  cleanups.push(() => registry.close());
  return registry;
}

const part: Answer = (_, response) =>
  void response.writeHead(206, { "content-range": `bytes 0-20/${BYTES.length}` }).end(BYTES);

test("credentials never cross origins", async () => {
  const token = await serve(cleanups, (_, response) => void response.end('{"token":"t0ken"}'));
  const storage = await serve(cleanups, part);
  const registry = await serve(cleanups, ({ headers }, response) => {
    if (headers.authorization === undefined)
      response.writeHead(401, { "www-authenticate": `Bearer realm="${token.origin}/token"` }).end();
    else response.writeHead(307, { location: `${storage.origin}/x` }).end();
  });
  const blob = registryAt(registry.host).blob(DESCRIPTOR);
  expect(Buffer.from(await blob.read(WHOLE))).toEqual(BYTES);
  expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, "Bearer t0ken"]);
  expect(token.seen.map(({ headers }) => headers.authorization)).toEqual([BASIC]);
  expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test("a place that a registry redirects to cannot ask for credentials", async () => {
  const thief = await serve(cleanups, (_, response) => void response.end('{"token":"x"}'));
  for (const challenge of [`Bearer realm="${thief.origin}/token"`, 'Basic realm="storage"']) {
    const storage = await serve(
      cleanups,
      (_, response) => void response.writeHead(401, { "www-authenticate": challenge }).end(),
    );
    const registry = await serve(
      cleanups,
      (_, response) => void response.writeHead(307, { location: `${storage.origin}/x` }).end(),
    );
    await expect(registryAt(registry.host).blob(DESCRIPTOR).read(WHOLE)).rejects.toMatchObject({ code: "credentials" });
    for (const { headers } of [...storage.seen, ...registry.seen]) expect(headers.authorization).toBeUndefined();
  }
  expect(thief.seen).toEqual([]);
});

test("a realm that redirects gets no further", async () => {
  const elsewhere = await serve(cleanups, (_, response) => void response.end('{"token":"x"}'));
  const registry = await serve(cleanups, ({ url }, response) => {
    if (url.startsWith("/token")) response.writeHead(307, { location: `${elsewhere.origin}/token` }).end();
    else response.writeHead(401, { "www-authenticate": `Bearer realm="${registry.origin}/token"` }).end();
  });
  await expect(registryAt(registry.host).blob(DESCRIPTOR).read(WHOLE)).rejects.toMatchObject({ code: "misbehaved" });
  expect(elsewhere.seen).toEqual([]);
});

const noOpenssl = HAS_OPENSSL ? "" : " (skipped: no openssl)";

test.skipIf(!HAS_OPENSSL)(
  `a realm or redirect from https to http is refused before anything is sent${noOpenssl}`,
  async () => {
    const tls = makeCertificate(temporaryFolder(cleanups));
    const plain = await serve(cleanups, (_, response) => void response.end('{"token":"x"}'));
    for (const [status, headers] of [
      [401, { "www-authenticate": `Bearer realm="${plain.origin}/token"` }],
      [307, { location: `${plain.origin}/x` }],
    ] as const) {
      const registry = await serve(cleanups, (_, response) => void response.writeHead(status, headers).end(), tls);
      const { ca } = tls;
      const blob = registryAt(registry.host, { http: { ca } }).blob(DESCRIPTOR);
      await expect(blob.read(WHOLE)).rejects.toMatchObject({ code: "misbehaved" });
    }
    expect(plain.seen).toEqual([]);
  },
);

test("an answer that is compressed unasked is refused, not unpacked", async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const manifest = Buffer.from("{}");
  const registry = await serve(cleanups, ({ url, headers }, response) => {
    expect(headers["accept-encoding"]).toBe("identity");
    const type = url.includes("/manifests/") ? OCI_MANIFEST : "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-encoding": "gzip", "content-length": bomb.length });
    response.end(bomb);
  });
  const opened = registryAt(registry.host);
  await expect(opened.blob(DESCRIPTOR).read(WHOLE)).rejects.toMatchObject({ code: "misbehaved" });
  const named = { ...DESCRIPTOR, mediaType: OCI_MANIFEST, digest: digestOf(manifest), size: manifest.length };
  // The bytes as they came do not have the digest; nobody looks what they unpack to.
  await expect(opened.manifest(named)).rejects.toMatchObject({ code: "verification" });
});

/** As fast as the client takes it, until it leaves; gives how much was taken. */
function endless(start: string, sent: { bytes: number }): Answer {
  const piece = Buffer.alloc(64 * 1024, "[");
  return (_, response) => {
    response.write(start);
    const more = (): void => {
      while (!response.destroyed) {
        sent.bytes += piece.length;
        if (!response.write(piece)) return;
      }
    };
    response.on("drain", more);
    response.on("error", () => undefined);
    more();
  };
}

const MIB = 1024 * 1024;
/** What lies in sockets and queues of both sides when the client leaves. */
const ON_THE_WAY = 12 * MIB;

test("an answer without end is cut off: a token after 1 MiB, a document after 16, an error after 64 KiB", async () => {
  const sent = { bytes: 0 };
  const token = await serve(cleanups, endless('{"token":"', sent));
  const challenger = await serve(
    cleanups,
    (_, response) => void response.writeHead(401, { "www-authenticate": `Bearer realm="${token.origin}/t"` }).end(),
  );
  await expect(registryAt(challenger.host).blob(DESCRIPTOR).read(WHOLE)).rejects.toMatchObject({ code: "misbehaved" });
  expect(sent.bytes).toBeLessThan(MIB + ON_THE_WAY);
  sent.bytes = 0;
  const documents = await serve(cleanups, endless('{"layers":', sent));
  const reference = parseReference(`${documents.host}/eo/scenes:v1`);
  await expect(registryAt(documents.host).resolve(reference)).rejects.toMatchObject({ code: "malformed" });
  expect(sent.bytes).toBeLessThan(16 * MIB + ON_THE_WAY);
  sent.bytes = 0;
  const refusing = await serve(cleanups, (asked, response) => {
    response.writeHead(403, { "content-type": "application/json" });
    endless('{"errors":[', sent)(asked, response);
  });
  await expect(registryAt(refusing.host).resolve(reference)).rejects.toMatchObject({ code: "credentials" });
  expect(sent.bytes).toBeLessThan(64 * 1024 + ON_THE_WAY);
});

test("a document that is nested without end, or made of millions of nothings, is refused before it is parsed", async () => {
  for (const bytes of [
    Buffer.concat([Buffer.from('{"x":'), Buffer.alloc(8 * MIB, "[")]),
    Buffer.from(`{"x":[${"[],".repeat(2_000_000)}0]}`),
  ]) {
    const registry = await serve(
      cleanups,
      (_, response) => void response.writeHead(200, { "content-type": OCI_MANIFEST }).end(bytes),
    );
    const before = process.memoryUsage().heapUsed;
    const reference = parseReference(`${registry.host}/eo/scenes:v1`);
    await expect(registryAt(registry.host).resolve(reference)).rejects.toMatchObject({ code: "malformed" });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(128 * MIB);
  }
});

test("no host is asked but those that the user or the registry named", async () => {
  const bystander = await serve(cleanups, part);
  const layer = { ...DESCRIPTOR, urls: [`${bystander.origin}/layer`], annotations: { source: bystander.origin } };
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: layer, layers: [layer] }),
  );
  const registry = await serve(cleanups, ({ url }, response) => {
    if (url.includes("/manifests/")) response.writeHead(200, { "content-type": OCI_MANIFEST }).end(manifest);
    // What it does not have is looked for nowhere else.
    else response.writeHead(404).end();
  });
  const opened = registryAt(registry.host);
  const found = await opened.manifest(await opened.resolve(parseReference(`${registry.host}/eo/scenes:v1`)));
  const [first] = found.kind === "manifest" ? found.layers : [];
  if (first === undefined) throw new Error("the manifest has a layer");
  await expect(opened.blob(first).read(WHOLE)).rejects.toMatchObject({ code: "not-found" });
  await opened.referrers(DIGEST);
  expect(bystander.seen).toEqual([]);
  const next = await serve(
    cleanups,
    (_, response) => void response.writeHead(200, { link: `<${bystander.origin}/x>; rel="next"` }).end('{"tags":[]}'),
  );
  const tags = registryAt(next.host).tags();
  const all = async (): Promise<number> => {
    let count = 0;
    for await (const _ of tags) count += 1;
    return count;
  };
  await expect(all()).rejects.toMatchObject({ code: "misbehaved" });
  expect(bystander.seen).toEqual([]);
});
