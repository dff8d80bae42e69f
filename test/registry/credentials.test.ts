import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRiffleError } from "../../src/errors.ts";
import { findInAuths, helperFor, HUB_KEY } from "../../src/registry/credential-file.ts";
import { loadCredential } from "../../src/registry/load-credential.ts";
import { eraseCredential, storeCredential } from "../../src/registry/store-credential.ts";
import { temporaryFolder } from "../support/certificates.ts";
import { FIXTURES } from "../support/fixtures.ts";
import { failure, type Cleanups } from "./fake-registry.ts";

const cleanups: Cleanups = [];
let folder = "";
beforeEach(() => {
  folder = temporaryFolder(cleanups);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const encode = (user: string, password: string): string => Buffer.from(`${user}:${password}`).toString("base64");
function write(name: string, value: unknown): string {
  const file = join(folder, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
}
const auths = (entries: Record<string, string>): unknown => ({
  auths: Object.fromEntries(Object.entries(entries).map(([host, user]) => [host, { auth: encode(user, "pw") }])),
});

/** A credential helper made of shell lines; the file that it writes to is `$LOG`. */
function helper(name: string, lines: string): { readonly PATH: string } {
  const file = write(`bin/docker-credential-${name}`, `#!/bin/sh\nread -r host\nLOG='${folder}/log'\n${lines}\n`);
  chmodSync(file, 0o755);
  return { PATH: `${join(folder, "bin")}:/usr/bin:/bin` };
}

describe("where", () => {
  test("the first place that has something, in the order of the interface; the explicit file alone", async () => {
    const places = {
      authFile: write("auth.json", auths({ "a.io": "one" })),
      dockerConfig: join(write("docker/config.json", auths({ "a.io": "two", "b.io": "two" })), ".."),
      home: join(write("home/.docker/config.json", auths({ "c.io": "three" })), "../.."),
      runtimeDirectory: join(write("run/containers/auth.json", auths({ "c.io": "four", "d.io": "four" })), "../.."),
    };
    const users = await Promise.all(
      ["a.io", "b.io", "c.io", "d.io", "e.io"].map((host) => loadCredential(host, places)),
    );
    expect(users.map((one) => one?.username)).toEqual(["one", "two", "three", "four", undefined]);
    const registryConfig = write("own.json", auths({ "z.io": "z" }));
    expect(await loadCredential("a.io", { ...places, registryConfig })).toBeUndefined();
    expect(await loadCredential("a.io", { registryConfig: join(folder, "none") })).toBeUndefined();
  });

  test("a repository's own, a namespace's, a host's; older spellings; Docker Hub's many names", async () => {
    const registryConfig = write(
      "c.json",
      auths({
        "p.io": "host",
        "p.io/eo": "space",
        "p.io/eo/scenes": "repository",
        "https://old.io/v1/": "old",
        [HUB_KEY]: "hub",
      }),
    );
    const user = async (host: string, repository?: string): Promise<string | undefined> =>
      (await loadCredential(host, { registryConfig }, repository === undefined ? {} : { repository }))?.username;
    expect(await user("p.io", "eo/scenes")).toBe("repository");
    expect(await user("p.io", "eo/other")).toBe("space");
    expect(await user("p.io", "eox/other")).toBe("host");
    expect(await user("old.io")).toBe("old");
    for (const name of ["docker.io", "index.docker.io", "registry-1.docker.io"]) expect(await user(name)).toBe("hub");
    expect(await user("notdocker.io")).toBeUndefined();
  });

  test.each([
    ["no JSON", "{", /not JSON/],
    ["white space", " \t\n", /not JSON/],
    ["a list", "[]", /not a JSON object/],
    ["auths in a list", { auths: [] }, /auths that are not an object/],
    ["an entry in words", { auths: { "a.io": "x" } }, /not an object/],
    ["a broken auth", { auths: { "a.io": { auth: "%%%" } } }, /not base64 of user:password/],
    ["a user in numbers", { auths: { "a.io": { username: 5 } } }, /username that is not text/],
    ["a helper in numbers", { credHelpers: { "a.io": 5 } }, /helper that is not text/],
    ["helpers in words", { credHelpers: "x" }, /credHelpers that are not an object/],
  ])("%s is one clause that names the file", async (_name, content, why) => {
    const registryConfig = write("bad.json", content);
    const error = await failure(loadCredential("a.io", { registryConfig }));
    expect(error.code).toBe("credentials");
    expect(error.message).toContain(registryConfig);
    expect(error.message).toMatch(why);
  });

  test("an empty file holds nothing, a directory is no file", async () => {
    expect(await loadCredential("a.io", { registryConfig: write("empty.json", "") })).toBeUndefined();
    expect((await failure(loadCredential("a.io", { registryConfig: folder }))).message).toContain("cannot be read");
  });

  test("fuzz: any document is a credential, none, or an error with the code credentials", () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.base64String(), fc.object({ maxDepth: 1 }));
    const names = ["auth", "username", "password", "identitytoken", "registrytoken"];
    const entry = fc.oneof(value, fc.dictionary(fc.constantFrom(...names), value));
    const document = fc.record({
      auths: fc.oneof(fc.dictionary(fc.constantFrom("a.io", "https://a.io/v1/", "__proto__"), entry), value),
      credHelpers: fc.oneof(fc.dictionary(fc.constantFrom("a.io", "b.io"), value), value),
      credsStore: value,
    });
    fc.assert(
      fc.property(document, (content) => {
        try {
          const parsed = JSON.parse(JSON.stringify(content)) as Record<string, unknown>;
          findInAuths(parsed, { host: "a.io", file: "f" });
          helperFor(parsed, "a.io", "f");
          return true;
        } catch (error) {
          return isRiffleError(error) && error.code === "credentials";
        }
      }),
      { numRuns: 250 },
    );
  });
});

describe.skipIf(FIXTURES === undefined)("files of oras-go (skipped: no fixtures folder)", () => {
  const at = (name: string): { readonly registryConfig: string } => ({
    registryConfig: join(FIXTURES ?? "", "oras-go/registry/remote/internal/configuration/testdata", name),
  });

  test("every kind of entry", async () => {
    const hosts = [1, 2, 3, 4, 5, 6, 7].map((number) => `registry${number}.example.com`);
    const found = await Promise.all(hosts.map((host) => loadCredential(host, at("valid_auths_config.json"))));
    const pair = { username: "username", password: "password" };
    expect(found).toEqual([
      pair,
      { identityToken: "identity_token" },
      { registryToken: "registry_token" },
      { ...pair, identityToken: "identity_token", registryToken: "registry_token" },
      undefined,
      pair,
      pair,
    ]);
  });

  test("white space is refused; helpers are chosen as oras chooses them", async () => {
    expect((await failure(loadCredential("x", at("whitespace.json")))).code).toBe("credentials");
    const read = (name: string): Record<string, unknown> =>
      JSON.parse(readFileSync(at(name).registryConfig, "utf8")) as Record<string, unknown>;
    const own = read("credHelpers_config.json");
    const chosen = [1, 2, 3, 4].map((number) => helperFor(own, `registry${number}.example.com`, "f"));
    expect(chosen).toEqual(["registry1-helper", "registry2-helper", undefined, undefined]);
    const store = read("credsStore_config.json");
    expect(["test.example.com", "x.io"].map((host) => helperFor(store, host, "f"))).toEqual([
      "test-helper",
      "teststore",
    ]);
    expect((await loadCredential("registry3.example.com", at("credHelpers_config.json")))?.username).toBe("foo");
  });
});

describe("helpers", () => {
  const config = (content: unknown): { readonly registryConfig: string } => ({
    registryConfig: write("c.json", content),
  });

  test("are asked by the host, on standard input; a token is an identity token", async () => {
    const env = helper("one", `echo "$1 $host" >>"$LOG"; printf '{"ServerURL":"x","Username":"me","Secret":"s"}'`);
    helper("two", `printf '{"Username":"<token>","Secret":"refresh"}'`);
    const places = config({ credsStore: "one", credHelpers: { "t.io": "two" } });
    expect(await loadCredential("a.io", places, { env })).toEqual({ username: "me", password: "s" });
    expect(await loadCredential("docker.io", places, { env })).toEqual({ username: "me", password: "s" });
    expect(await loadCredential("t.io", places, { env })).toEqual({ identityToken: "refresh" });
    expect(readFileSync(join(folder, "log"), "utf8")).toBe(`get a.io\nget ${HUB_KEY}\n`);
  });

  test("one that knows nothing leaves the word to auths", async () => {
    const env = helper("none", `echo "credentials not found in native keychain"; exit 1`);
    const places = config({ credsStore: "none", auths: { "a.io": { auth: encode("me", "pw") } } });
    expect((await loadCredential("a.io", places, { env }))?.username).toBe("me");
    expect(await loadCredential("b.io", places, { env })).toBeUndefined();
  });

  test.each([
    ["hangs", "exec sleep 30", /did not answer within 0.2 s/],
    ["fails", "echo secret-thing >&2; exit 3", /failed with exit code 3/],
    ["says nonsense", "echo hello", /not JSON/],
    ["gives no secret", "echo '{}'", /without a secret/],
    ["never ends", "yes", /without end/],
  ])("one that %s is one error, or one warning and none", async (_name, lines, why) => {
    const env = helper("bad", lines);
    const places = config({ credsStore: "bad" });
    const timeoutMs = lines.includes("sleep") ? 200 : 10_000;
    const error = await failure(loadCredential("a.io", places, { env, timeoutMs }));
    expect([error.code, error.message]).toEqual(["credentials", expect.stringMatching(why)]);
    expect(error.message).not.toContain("secret-thing");
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    expect(await loadCredential("a.io", places, { env, timeoutMs, warn })).toBeUndefined();
    expect(warnings).toHaveLength(1);
  });

  test("one that is not installed, and one that is no program name", async () => {
    const env = { PATH: folder };
    expect((await failure(loadCredential("a.io", config({ credsStore: "gone" }), { env }))).message).toContain(
      "not installed",
    );
    expect((await failure(loadCredential("a.io", config({ credsStore: "../x" }), { env }))).message).toContain(
      "no program name",
    );
  });
});

describe("login and logout", () => {
  test("write what is read, 0600, beside what was there, through links, and nothing else is left", async () => {
    const file = write("real/config.json", { auths: { "b.io": { auth: encode("b", "b") } }, HttpHeaders: { a: "b" } });
    chmodSync(file, 0o644);
    const link = join(folder, "link.json");
    symlinkSync(file, link);
    const places = { registryConfig: link };
    expect(await storeCredential("a.io", { username: "me", password: "p:w" }, { places })).toBe(link);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "real"))).toEqual(["config.json"]);
    expect(await loadCredential("a.io", places)).toEqual({ username: "me", password: "p:w" });
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ HttpHeaders: { a: "b" }, auths: { "b.io": {} } });
    expect(await eraseCredential("a.io", { places })).toBe(true);
    expect(await eraseCredential("a.io", { places })).toBe(false);
    expect((await loadCredential("b.io", places))?.username).toBe("b");
  });

  test("a new file in a new folder; Docker Hub under its old key, once; identity tokens", async () => {
    const places = { home: join(folder, "new") };
    await storeCredential("docker.io", { username: "me", password: "1" }, { places });
    await storeCredential("index.docker.io", { identityToken: "t" }, { places });
    const file = join(folder, "new/.docker/config.json");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ auths: { [HUB_KEY]: { identitytoken: "t" } } });
    expect(await loadCredential("docker.io", places)).toEqual({ identityToken: "t" });
    expect(await eraseCredential("x.io", { places: { home: join(folder, "none") } })).toBe(false);
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  test("a helper keeps the secret, the file only the name", async () => {
    const env = helper("keep", `echo "$1 $host" >>"$LOG"`);
    const places = { registryConfig: write("c.json", { credsStore: "keep" }) };
    await storeCredential("a.io", { username: "me", password: "pw" }, { places, env });
    expect(JSON.parse(readFileSync(places.registryConfig, "utf8"))).toEqual({
      credsStore: "keep",
      auths: { "a.io": {} },
    });
    expect(await eraseCredential("a.io", { places, env })).toBe(true);
    expect(readFileSync(join(folder, "log"), "utf8")).toBe(
      'store {"ServerURL":"a.io","Username":"me","Secret":"pw"}\nerase a.io\n',
    );
  });

  test("a broken file is never overwritten", async () => {
    const places = { registryConfig: write("bad.json", "{ not json") };
    expect((await failure(storeCredential("a.io", { username: "a", password: "b" }, { places }))).code).toBe(
      "credentials",
    );
    expect(readFileSync(places.registryConfig, "utf8")).toBe("{ not json");
    expect((await failure(storeCredential("a.io", { username: "a" }, { places: {} }))).code).toBe("usage");
  });
});
