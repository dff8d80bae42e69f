import { afterEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import type { Credential } from "../../src/registry/credential.ts";
import {
  answerManifest,
  artifactOf,
  failure,
  openFake,
  sendError,
  sendJson,
  serve,
  type Answer,
  type Cleanups,
  type FakeServer,
  type Opened,
} from "./fake-registry.ts";

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const artifact = artifactOf("x");
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const given =
  (credential: Credential): (() => Promise<Credential>) =>
  () =>
    Promise.resolve(credential);

interface Guarded extends Opened {
  readonly tokens: FakeServer;
  readonly clock: { now: number };
}

/** A registry whose documents want a token of `tokens`, which gives `token-1`, `token-2`... */
async function guarded(
  answerToken: Answer,
  options: { readonly credential?: Credential; readonly parameters?: string } = {},
): Promise<Guarded> {
  const tokens = await serve(cleanups, answerToken);
  const clock = { now: Date.now() };
  const parameters = options.parameters ?? `realm="${tokens.origin}/token",service="reg"`;
  const opened = await openFake(
    cleanups,
    (request, response) => {
      if (request.headers.authorization?.startsWith("Bearer token-") === true)
        answerManifest(request, response, { v1: artifact });
      else sendError(response, 401, "UNAUTHORIZED", { "www-authenticate": `Bearer ${parameters}` });
    },
    { now: () => clock.now, ...(options.credential === undefined ? {} : { credentials: given(options.credential) }) },
  );
  return { ...opened, tokens, clock };
}

const numbered = (extra: Record<string, unknown> = {}, field = "token"): Answer => {
  let count = 0;
  return (_request, response) => sendJson(response, { [field]: `token-${(count += 1)}`, ...extra });
};

describe("bearer", () => {
  test("anonymous: challenge, token for this repository, manifest; one token for all that follows", async () => {
    const { registry, reference, tokens, counts, server } = await guarded(numbered());
    await registry.resolve(reference);
    await registry.resolve(reference);
    expect(counts.requests).toEqual(["manifest", "token", "manifest", "manifest"]);
    const asked = new URL(tokens.seen[0]?.url ?? "", tokens.origin);
    expect([...asked.searchParams]).toEqual([
      ["service", "reg"],
      ["scope", "repository:eo/scenes:pull"],
    ]);
    expect(tokens.seen[0]?.headers.authorization).toBeUndefined();
    expect(server.seen.map((request) => request.headers.authorization)).toEqual([
      undefined,
      "Bearer token-1",
      "Bearer token-1",
    ]);
  });

  test("the scope of the challenge counts, and Basic goes to the realm alone", async () => {
    const scoped = await serve(cleanups, numbered({}, "access_token"));
    const { registry, reference, server } = await guarded(numbered(), {
      credential: { username: "me", password: "päss:word" },
      parameters: `realm="${scoped.origin}/t?x=1",scope="repository:eo/scenes:pull repository:other:pull"`,
    });
    await registry.resolve(reference);
    const asked = new URL(scoped.seen[0]?.url ?? "", scoped.origin);
    expect(asked.searchParams.getAll("scope")).toEqual(["repository:eo/scenes:pull", "repository:other:pull"]);
    expect(asked.searchParams.get("x")).toBe("1");
    expect(scoped.seen[0]?.headers.authorization).toBe(basic("me", "päss:word"));
    expect(server.seen.every((request) => request.headers.authorization?.startsWith("Basic") !== true)).toBe(true);
  });

  test("without expires_in a token lives a minute, and is renewed a little early and unasked", async () => {
    const { registry, reference, counts, clock } = await guarded(numbered());
    await registry.resolve(reference);
    clock.now += 50_000;
    await registry.resolve(reference);
    expect(counts.requests.filter((kind) => kind === "token")).toHaveLength(1);
    clock.now += 5_000;
    await registry.resolve(reference);
    expect(counts.requests).toEqual(["manifest", "token", "manifest", "manifest", "token", "manifest"]);
  });

  test("expires_in counts from issued_at by the server's clock, however wrong that is", async () => {
    const date = new Date("2001-01-01T00:00:00Z");
    const issued = new Date(date.getTime() - 200_000).toISOString();
    const { registry, reference, counts, clock } = await guarded((_request, response) => {
      sendJson(response, { token: "token-x", expires_in: 300, issued_at: issued }, { date: date.toUTCString() });
    });
    await registry.resolve(reference);
    clock.now += 85_000;
    await registry.resolve(reference);
    expect(counts.requests.filter((kind) => kind === "token")).toHaveLength(1);
    clock.now += 10_000;
    await registry.resolve(reference);
    expect(counts.requests.filter((kind) => kind === "token")).toHaveLength(2);
  });

  test("many at once wait for one token, also when it is refused later", async () => {
    const { registry, reference, tokens, clock } = await guarded(numbered({ expires_in: 3600 }));
    await Promise.all(Array.from({ length: 12 }, () => registry.resolve(reference)));
    expect(tokens.seen).toHaveLength(1);
    clock.now += 3_300_000;
    await Promise.all(Array.from({ length: 12 }, () => registry.resolve(reference)));
    expect(tokens.seen).toHaveLength(2);
  });

  test("a token that the registry no longer takes is replaced once, then it is an error", async () => {
    let taken = "token-1";
    const tokens = await serve(cleanups, numbered({ expires_in: 9999 }));
    const clock = { now: 1e12 };
    const { registry, reference, counts } = await openFake(
      cleanups,
      (request, response) => {
        if (request.headers.authorization === `Bearer ${taken}`) answerManifest(request, response, { v1: artifact });
        else sendError(response, 401, "UNAUTHORIZED", { "www-authenticate": `Bearer realm="${tokens.origin}/"` });
      },
      { now: () => clock.now },
    );
    await registry.resolve(reference);
    clock.now += 60_000;
    taken = "token-2";
    await registry.resolve(reference);
    expect(tokens.seen).toHaveLength(2);
    clock.now += 60_000;
    taken = "none";
    expect((await failure(registry.resolve(reference))).code).toBe("credentials");
    expect(tokens.seen).toHaveLength(3);
    expect(counts.requests.filter((kind) => kind === "manifest")).toHaveLength(6);
  });
});

test("a blob read goes on with a new token when the registry drops the old one, and asks for one token only", async () => {
  const bytes = new TextEncoder().encode("0123456789abcdef");
  let taken = "token-1";
  const tokens = await serve(cleanups, numbered({ expires_in: 9999 }));
  const clock = { now: 1e12 };
  const { registry, server } = await openFake(
    cleanups,
    (request, response) => {
      if (request.headers.authorization !== `Bearer ${taken}`) {
        sendError(response, 401, "UNAUTHORIZED", { "www-authenticate": `Bearer realm="${tokens.origin}/"` });
        return;
      }
      const [, first = 0, last = 0] = (/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? []).map(Number);
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/${bytes.length}` });
      response.end(bytes.subarray(first, last + 1));
    },
    { now: () => clock.now },
  );
  const source = registry.blob({ mediaType: "x/y", digest: digestOf(bytes), size: bytes.length, annotations: {} });
  expect(Buffer.from(await source.read({ start: 0, end: 2 })).toString()).toBe("01");
  clock.now += 60_000;
  taken = "token-2";
  const starts = [2, 4, 6, 8, 10, 12];
  const parts = await Promise.all(starts.map((start) => source.read({ start, end: start + 1 })));
  expect(parts.map((part) => Buffer.from(part).toString()).join("")).toBe("2468ac");
  expect(tokens.seen).toHaveLength(2);
  expect(server.seen.length).toBeLessThanOrEqual(2 + 2 * starts.length);
});

describe("identity tokens", () => {
  test("are posted, and what rotates is used next", async () => {
    const { registry, reference, tokens, clock } = await guarded(
      numbered({ refresh_token: "second", expires_in: 60 }),
      {
        credential: { identityToken: "first" },
      },
    );
    await registry.resolve(reference);
    clock.now += 60_000;
    await registry.resolve(reference);
    const bodies = tokens.seen.map((request) => Object.fromEntries(new URLSearchParams(request.body)));
    expect(tokens.seen.map((request) => request.method)).toEqual(["POST", "POST"]);
    expect(bodies[0]).toEqual({
      service: "reg",
      scope: "repository:eo/scenes:pull",
      grant_type: "refresh_token",
      refresh_token: "first",
      client_id: "riffle",
    });
    expect(bodies[1]?.["refresh_token"]).toBe("second");
  });

  test.each([400, 401, 404, 405])("fall back to GET where POST answers %d", async (status) => {
    const { registry, reference, tokens } = await guarded(
      (request, response) => {
        if (request.method === "POST") sendError(response, status, "UNSUPPORTED");
        else sendJson(response, { token: "token-1" });
      },
      { credential: { identityToken: "first" } },
    );
    await registry.resolve(reference);
    expect(tokens.seen.map((request) => request.method)).toEqual(["POST", "GET"]);
    expect(tokens.seen[1]?.headers.authorization).toBe(basic("<token>", "first"));
  });

  test("a registry token goes out as it is", async () => {
    const { registry, reference, tokens, server } = await guarded(numbered(), {
      credential: { registryToken: "token-mine" },
    });
    await registry.resolve(reference);
    expect(tokens.seen).toHaveLength(0);
    expect(server.seen[1]?.headers.authorization).toBe("Bearer token-mine");
  });
});

describe("basic", () => {
  const guard =
    (challenge: string): Answer =>
    (request, response) => {
      if (request.headers.authorization === basic("me", "pw")) answerManifest(request, response, { v1: artifact });
      else sendError(response, 401, "UNAUTHORIZED", { "www-authenticate": challenge });
    };

  test("sent when asked for, once, then at once", async () => {
    const credentials = given({ username: "me", password: "pw" });
    const { registry, reference, counts } = await openFake(cleanups, guard('Basic realm="x"'), { credentials });
    await registry.resolve(reference);
    await registry.resolve(reference);
    expect(counts.requests).toHaveLength(3);
  });

  test("wrong, or none: credentials, without a second try of the same", async () => {
    const wrong = given({ username: "me", password: "no" });
    const { registry, reference, counts } = await openFake(cleanups, guard("Basic"), { credentials: wrong });
    const error = await failure(registry.resolve(reference));
    expect([error.code, counts.requests.length]).toEqual(["credentials", 2]);
    expect(JSON.stringify([error.message, error.hint, error.facts])).not.toContain("bWU6");
    expect((await failure(registry.resolve(reference))).code).toBe("credentials");
    expect(counts.requests).toHaveLength(3);
    const none = await openFake(cleanups, guard("Basic"));
    expect((await failure(none.registry.resolve(none.reference))).code).toBe("credentials");
    expect(none.counts.requests).toHaveLength(1);
  });
});

describe("realms that are not believed", () => {
  const realms = ["ftp://x/", "http://169.254.169.254/token", "http://user:pw@127.0.0.1/", "http://[bad/"];
  test.each(realms)("%s", async (realm) => {
    const { registry, reference, counts } = await guarded(numbered(), {
      credential: { username: "me", password: "pw" },
      parameters: `realm="${realm}"`,
    });
    const error = await failure(registry.resolve(reference));
    expect(error.code).toMatch(/misbehaved|credentials/);
    expect(counts.requests.filter((kind) => kind === "token").length).toBe(0);
  });

  test("what the token server answers: a redirect, a web page, no token, too much, a refusal", async () => {
    const answers: [Answer, string][] = [
      [(_request, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(), "misbehaved"],
      [(_request, response) => void response.writeHead(200).end("<html>"), "misbehaved"],
      [(_request, response) => sendJson(response, { expires_in: 3 }), "misbehaved"],
      [(_request, response) => sendJson(response, { token: "a\nb" }), "misbehaved"],
      [(_request, response) => void response.writeHead(200).end(Buffer.alloc(3_000_000, 32)), "misbehaved"],
      [(_request, response) => sendError(response, 401, "UNAUTHORIZED"), "credentials"],
      [(_request, response) => sendError(response, 403, "DENIED"), "credentials"],
    ];
    for (const [answer, code] of answers) {
      const { registry, reference } = await guarded(answer, { credential: { username: "me", password: "pw" } });
      const error = await failure(registry.resolve(reference));
      expect(error.code).toBe(code);
      expect(error.message).not.toContain("pw");
    }
  });
});
