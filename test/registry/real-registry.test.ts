import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { registryCapabilities } from "../../src/registry/capabilities.ts";
import { checkLogin } from "../../src/registry/login.ts";
import { openRegistry } from "../../src/registry/open-registry.ts";
import { temporaryFolder } from "../support/certificates.ts";
import { artifactOf, countingMeter, EMPTY, failure, type Cleanups } from "./fake-registry.ts";

function has(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
const HAS_REGISTRY = has("docker-registry", "--version");
const HAS_HTPASSWD = has("htpasswd", "-nbB", "a", "b");

const cleanups: Cleanups = [];
let folder = "";
beforeEach(() => {
  folder = temporaryFolder(cleanups);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** The CNCF Distribution registry on a loopback port; with `htpasswd` it wants Basic credentials. */
async function startRegistry(htpasswd?: string): Promise<string> {
  const host = `127.0.0.1:${await freePort()}`;
  const guard = htpasswd === undefined ? "" : `auth:\n  htpasswd:\n    realm: test\n    path: ${htpasswd}\n`;
  const storage = `storage:\n  filesystem:\n    rootdirectory: ${join(folder, "data")}\n`;
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(
    join(folder, "config.yml"),
    `version: 0.1\nlog:\n  level: error\n${storage}http:\n  addr: ${host}\n${guard}`,
  );
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  cleanups.push(() => end(child));
  const answers = (): Promise<boolean> =>
    fetch(`http://${host}/v2/`).then(
      (response) => response.status === 200 || response.status === 401,
      () => false,
    );
  await expect.poll(answers, { timeout: 20_000, interval: 50 }).toBe(true);
  return host;
}

async function push(host: string, content: string, headers: Record<string, string> = {}): Promise<void> {
  const base = `http://${host}/v2/eo/scenes`;
  for (const text of ["{}", content]) {
    const bytes = new TextEncoder().encode(text);
    const started = await fetch(`${base}/blobs/uploads/`, { method: "POST", headers });
    const place = new URL(started.headers.get("location") ?? "", base);
    place.searchParams.set("digest", digestOf(bytes));
    const upload = { method: "PUT", body: bytes, headers: { ...headers, "content-type": "application/octet-stream" } };
    expect((await fetch(place, upload)).status).toBe(201);
  }
  const manifest = artifactOf(content, { config: EMPTY });
  const put = { method: "PUT", body: manifest.bytes, headers: { ...headers, "content-type": OCI_MANIFEST } };
  expect((await fetch(`${base}/manifests/v1`, put)).status).toBe(201);
}

describe.skipIf(!HAS_REGISTRY)("CNCF Distribution (skipped: no docker-registry)", () => {
  const content = "0123456789".repeat(10_000);

  test("opens in one request, reads ranges, lists tags, has no referrers, says what is missing", async () => {
    const host = await startRegistry();
    await push(host, content);
    const reference = parseReference(`${host}/eo/scenes:v1`);
    if (reference.kind !== "registry") throw new Error("not a registry");
    const { meter, counts } = countingMeter();
    const registry = openRegistry(reference, { meter });
    cleanups.push(() => registry.close());
    const descriptor = await registry.resolve(reference);
    const manifest = await registry.manifest(descriptor);
    expect(counts.requests).toEqual(["manifest"]);
    const layer = manifest.kind === "manifest" ? manifest.layers[0] : undefined;
    if (layer === undefined) throw new Error("no layer");
    const source = registry.blob(layer);
    expect(Buffer.from(await source.read({ start: 99_995, end: 200_000 })).toString()).toBe("56789");
    expect(Buffer.from(await source.read({ start: 10, end: 13 })).toString()).toBe("012");
    expect(counts.requests).toEqual(["manifest", "blob", "blob"]);
    expect(counts.bytes).toBe(descriptor.size + 5 + 3);
    const tags: string[] = [];
    for await (const tag of registry.tags()) tags.push(tag);
    expect(tags).toEqual(["v1"]);
    expect(await registry.referrers(descriptor.digest)).toEqual([]);
    const missing = failure(registry.resolve({ ...reference, tag: "v2" }));
    expect((await missing).message).toContain("has no tag v2");
    const other = parseReference(`${host}/eo/none:v1`);
    const none = openRegistry(other);
    cleanups.push(() => none.close());
    expect((await failure(none.resolve(other))).code).toBe("not-found");
    const found = await registryCapabilities(reference, { blob: layer, subject: descriptor.digest });
    expect(found).toMatchObject({ authentication: "anonymous", ranges: "partial", redirects: [], referrersApi: false });
  });

  test.skipIf(!HAS_HTPASSWD)("with Basic credentials (skipped without htpasswd)", async () => {
    const file = join(folder, "htpasswd");
    writeFileSync(file, execFileSync("htpasswd", ["-nbB", "me", "pass:word"]));
    const host = await startRegistry(file);
    await push(host, content, { authorization: `Basic ${Buffer.from("me:pass:word").toString("base64")}` });
    const credential = { username: "me", password: "pass:word" };
    expect(await checkLogin(host, credential)).toEqual({ proven: true, scheme: "basic" });
    expect((await failure(checkLogin(host, { ...credential, password: "no" }))).code).toBe("credentials");
    const reference = parseReference(`${host}/eo/scenes:v1`);
    const { meter, counts } = countingMeter();
    const registry = openRegistry(reference, { meter, credentials: () => Promise.resolve(credential) });
    cleanups.push(() => registry.close());
    const manifest = await registry.manifest(await registry.resolve(reference));
    const layer = manifest.kind === "manifest" ? manifest.layers[0] : undefined;
    if (layer === undefined) throw new Error("no layer");
    expect(Buffer.from(await registry.blob(layer).read({ start: 0, end: 4 })).toString()).toBe("0123");
    expect(counts.requests).toEqual(["manifest", "manifest", "blob"]);
    const anonymous = openRegistry(reference);
    cleanups.push(() => anonymous.close());
    expect((await failure(anonymous.resolve(reference))).code).toBe("credentials");
  });
});
