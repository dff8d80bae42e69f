import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const PASSWORD = "s3cret-of-e2e";
const FLAGS = ["--username", "me", "--password-stdin"];
/** As it stands in an `Authorization` header and in a credentials file. */
const ENCODED = Buffer.from(`me:${PASSWORD}`).toString("base64");

let registry: RegistryHandle;
let home: Home;
let reference: string;

beforeAll(async () => {
  registry = await spawnRegistry({ auth: { kind: "basic", username: "me", password: PASSWORD } });
  const place = { repository: "e2e/private", tag: "v1" };
  const files = [{ title: "f", content: { kind: "bytes" as const, bytes: Buffer.from("private") } }];
  ({ reference } = await putArtifact(registry, place, { files }));
});
afterAll(() => registry.close());
beforeEach(() => void (home = createHome()));
afterEach(() => home.remove());

const run = (words: readonly string[], input = ""): Promise<Outcome> => riffle(words, { home, input });

/** Files below the home that hold the password in any form. */
const leaks = (): readonly string[] =>
  readdirSync(home.path, { recursive: true, encoding: "utf8" }).filter((path) => {
    const file = join(home.path, path);
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return false;
    const text = readFileSync(file, "latin1");
    return text.includes(PASSWORD) || text.includes(ENCODED);
  });

test("a Basic registry: refused, logged in, used, logged out", async () => {
  const refused = await run(["ls", reference]);
  expect(refused).toMatchObject({ code: 4, stdout: "" });
  expect(refused.stderr).toContain(`riffle login ${registry.host}`);
  const wrong = await run(["login", registry.host, ...FLAGS], "not-it\n");
  expect(wrong).toMatchObject({ code: 4, stdout: "" });
  expect(wrong.stderr).toMatch(/\(check the user name and the password;/);
  expect(wrong.stderr).not.toContain("not-it");
  expect(await run(["login", registry.host, ...FLAGS], `${PASSWORD}\n`)).toMatchObject({ code: 0, stderr: "" });
  expect(leaks()).toEqual([".docker/config.json"]);
  expect(statSync(join(home.path, ".docker/config.json")).mode & 0o777).toBe(0o600);
  expect(await run(["cat", reference, "f"])).toMatchObject({ code: 0, stdout: "private" });
  expect(await run(["logout", registry.host])).toMatchObject({ code: 0 });
  expect(leaks()).toEqual([]);
  expect(await run(["cat", reference, "f"])).toMatchObject({ code: 4, stdout: "" });
});

test("--registry-config, REGISTRY_AUTH_FILE and DOCKER_CONFIG name other files", async () => {
  const file = join(home.path, "auth.json");
  expect(await run(["login", registry.host, ...FLAGS, "--registry-config", file], PASSWORD)).toMatchObject({ code: 0 });
  expect(existsSync(join(home.path, ".docker"))).toBe(false);
  expect(await run(["ls", reference])).toMatchObject({ code: 4 });
  expect(await run(["ls", reference, "--registry-config", file])).toMatchObject({ code: 0 });
  const environment = { REGISTRY_AUTH_FILE: file };
  expect(await riffle(["ls", reference], { home, environment })).toMatchObject({ code: 0 });
  mkdirSync(join(home.path, "docker"));
  const docker = { DOCKER_CONFIG: join(home.path, "docker") };
  const words = ["login", registry.host, ...FLAGS];
  expect(await riffle(words, { home, environment: docker, input: PASSWORD })).toMatchObject({ code: 0 });
  expect(leaks()).toEqual(["auth.json", "docker/config.json"]);
  expect(await riffle(["ls", reference], { home, environment: docker })).toMatchObject({ code: 0 });
});

const obstacle = mountObstacle();

test.skipIf(obstacle !== undefined)(
  `a password that was piped in is in no argument, variable, log or state file${obstacle === undefined ? "" : ` (skipped: ${obstacle})`}`,
  async () => {
    const dir = join(home.path, "mnt");
    mkdirSync(dir);
    const log = join(home.path, "riffle.log");
    const words = ["mount", reference, dir, ...FLAGS, "-vv", "--json", "--log-file", log];
    const { code, stdout, stderr } = await run(words, `${PASSWORD}\n`);
    expect(code).toBe(0);
    try {
      expect(spawnSync("cat", [join(dir, "f")], { encoding: "utf8" }).stdout).toBe("private");
      const { pid } = JSON.parse(stdout) as { pid: number };
      const process = ["cmdline", "environ"].map((name) => readFileSync(`/proc/${pid}/${name}`, "latin1"));
      for (const text of [stdout, stderr, ...process]) {
        expect(text).not.toContain(PASSWORD);
        expect(text).not.toContain(ENCODED);
      }
      expect(readFileSync(log, "utf8")).toContain("/v2/e2e/private/");
    } finally {
      expect(await run(["unmount", dir])).toMatchObject({ code: 0 });
    }
    expect(leaks()).toEqual([]);
  },
);
