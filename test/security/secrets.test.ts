import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

const PASSWORD = "s3cret-of-security";
/** In every form in which it, or what comes of it, could be written down. */
const SECRETS = [PASSWORD, Buffer.from(`me:${PASSWORD}`).toString("base64"), "X-Signature", "X-Expires", "Bearer ey"];
const AUTH = { kind: "bearer", username: "me", password: PASSWORD } as const;
const FLAGS = ["--username", "me", "--password-stdin", "--timeout", "5s"];
const obstacle = mountObstacle();
const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;

let registry: SpawnedRegistry;
let home: FaultHome;
let reference: string;

beforeEach(async () => {
  home = faultHome();
  registry = await spawnRegistry({ redirect: {} });
  const bytes = noise(9, { start: 0, end: 1_000_000 });
  const files = [{ title: "f", content: { kind: "bytes" as const, bytes } }];
  ({ reference } = await putArtifact(registry, { repository: "e2e/secret", tag: "v1" }, { files }));
  await registry.configure({ auth: AUTH });
});
afterEach(async () => {
  await registry.close();
  await home.end();
});

/** All files below the home, and everything that was said, that hold a secret. */
function leaks(said: readonly string[]): readonly string[] {
  const files = readdirSync(home.path, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(home.path, name), { throwIfNoEntry: false })?.isFile(),
  );
  const texts = [...said, ...files.map((name) => readFileSync(join(home.path, name), "latin1"))];
  return texts.filter((text) => SECRETS.some((secret) => text.includes(secret)));
}

test.skipIf(obstacle !== undefined)(
  `a secret is in no log, status, error, trace, argument, variable or file of the cache${skipped}`,
  async () => {
    const dir = home.place("mnt");
    const log = join(home.path, "riffle.log");
    const words = ["mount", reference, dir, "--json", "-vv", "--log-file", log, "--trace", "trace.jsonl", ...FLAGS];
    const mounted = await home.riffle(words, { input: PASSWORD });
    expect(mounted).toMatchObject({ code: 0 });
    const { pid } = JSON.parse(mounted.stdout) as { readonly pid: number };
    const said = [mounted.stdout, mounted.stderr];
    for (const name of ["cmdline", "environ"]) said.push(readFileSync(`/proc/${pid}/${name}`, "latin1"));
    expect(await home.sh(`head -c 100000 ${dir}/f > /dev/null`)).toMatchObject({ status: 0 });
    const status = await home.riffle(["status", "--json"]);
    await registry.close();
    // Errors name hosts and blobs, and come after a redirect whose address is signed.
    expect((await home.sh(`cat ${dir}/f > /dev/null`)).status).not.toBe(0);
    const errors = await home.sh(`cat ${dir}/.oci/errors ${dir}/.oci/stats.json ${dir}/.oci/reference`);
    const refused = await home.riffle(["ls", reference, "-v", "--json", ...FLAGS], { input: PASSWORD });
    expect(refused).toMatchObject({ code: 7 });
    said.push(status.stdout, errors.stdout.toString(), refused.stdout, refused.stderr);
    expect(await home.riffle(["unmount", dir])).toMatchObject({ code: 0 });
    expect(readFileSync(log, "utf8")).toMatch(/GET 127\.0\.0\.1:\d+\/\.\.\. bytes=/);
    expect(errors.stdout.toString()).toContain("f: ");
    expect(leaks(said)).toEqual([]);
  },
);

test("a cache holds no credential and no address that was signed", async () => {
  const words = ["prefetch", reference, ...FLAGS];
  expect(await home.riffle(words, { input: PASSWORD })).toMatchObject({ code: 0 });
  const cache = readdirSync(join(home.path, "cache"), { recursive: true, encoding: "utf8" });
  expect(cache.some((name) => name.endsWith("/data"))).toBe(true);
  expect(leaks([])).toEqual([]);
  for (const name of cache) expect(name).not.toContain(PASSWORD);
});

test("a wrong password is not said again", async () => {
  const refused = await home.riffle(["ls", reference, "-vv", "--json", ...FLAGS], { input: "wr0ng-password" });
  expect(refused).toMatchObject({ code: 4 });
  expect(refused.stdout + refused.stderr).not.toContain("wr0ng");
});

test("-v shows each request: method, host, range, status, bytes and time", async () => {
  const { code, stderr } = await home.riffle(
    ["cat", reference, "f", "--range", "0-100", "--no-cache", "-v", ...FLAGS],
    {
      input: PASSWORD,
    },
  );
  expect(code).toBe(0);
  const lines = stderr.split("\n").filter((line) => line.startsWith("riffle: GET "));
  const shown = lines.map((line) =>
    line
      .replaceAll(/127\.0\.0\.1:\d+/g, "HOST")
      .replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST")
      .replace(/\d+ ms$/, "MS")
      .replace(/\d+ bytes, MS$/, "N bytes, MS"),
  );
  expect(shown).toEqual([
    "riffle: GET HOST/v2/e2e/secret/manifests/v1: 401, N bytes, MS",
    "riffle: GET HOST/token: 200, N bytes, MS",
    "riffle: GET HOST/v2/e2e/secret/manifests/v1: 200, N bytes, MS",
    "riffle: GET HOST/v2/e2e/secret/blobs/DIGEST bytes=0-4095: 307, N bytes, MS",
    "riffle: GET HOST/... bytes=0-4095: 206, N bytes, MS",
  ]);
  expect(lines.at(-1)).toMatch(/206, 4096 bytes/);
});

test.skipIf(obstacle !== undefined)(`.oci/errors and the log say what failed and why${skipped}`, async () => {
  const dir = home.place("mnt");
  const log = join(home.path, "riffle.log");
  const words = ["mount", reference, dir, "--log-file", log, ...FLAGS];
  expect(await home.riffle(words, { input: PASSWORD })).toMatchObject({ code: 0 });
  const { host } = registry;
  await registry.close();
  expect((await home.sh(`cat ${dir}/f > /dev/null`)).status).not.toBe(0);
  const errors = (await home.sh(`cat ${dir}/.oci/errors`)).stdout.toString();
  expect(await home.riffle(["unmount", dir])).toMatchObject({ code: 0 });
  expect(errors).toMatch(new RegExp(`^\\S+Z f: ${host} refused the connection \\(unreachable\\)$`, "m"));
  expect(readFileSync(log, "utf8")).toMatch(
    new RegExp(`^\\S+Z warn read of f failed: ${host} refused the connection`, "m"),
  );
});
