import { describe, expect, test } from "vitest";
import type { HttpClient, HttpResponse } from "../../src/fetch/http.ts";
import { parseChallenges } from "../../src/registry/challenge.ts";
import { fetchToken, type Token } from "../../src/registry/token.ts";
import { failure } from "./fake-registry.ts";

/** A client that answers every request with the same document, and tells where it was sent. */
function answering(document: unknown): { readonly client: HttpClient; readonly sent: string[] } {
  const sent: string[] = [];
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  const response: HttpResponse = {
    status: 200,
    headers: {},
    body: (async function* body() {
      yield bytes;
    })(),
    each: async (take) => take(bytes),
    discard: () => {},
  };
  const send = (url: URL): Promise<HttpResponse> => {
    sent.push(url.href);
    return Promise.resolve(response);
  };
  return { sent, client: { send, close: () => Promise.resolve() } };
}

function ask(registry: string, realm: string, client: HttpClient): Promise<Token> {
  const [challenge] = parseChallenges(`Bearer realm="${realm}"`);
  if (challenge === undefined) throw new Error("no challenge");
  const credential = { username: "me", password: "pw" };
  return fetchToken({ client, registry: new URL(registry), challenge, scope: "s", credential, now: () => 0 });
}

describe("a realm", () => {
  test.each([
    ["https://ghcr.io/", "http://ghcr.io/token"],
    ["https://ghcr.io/", "https://10.0.0.1/token"],
    ["https://ghcr.io/", "https://127.0.0.1/token"],
    ["https://ghcr.io/", "https://localhost/token"],
    ["https://ghcr.io/", "https://[::1]/token"],
    ["https://ghcr.io/", "https://[fd00::1]/token"],
    ["https://ghcr.io/", "https://169.254.169.254/latest"],
    ["https://10.0.0.1/", "https://169.254.169.254/latest"],
    ["https://ghcr.io/", "https://user:pw@auth.io/token"],
    ["https://ghcr.io/", "file:///etc/passwd"],
  ])("of %s may not be %s: nothing is sent", async (registry, realm) => {
    const { client, sent } = answering({ token: "t" });
    expect((await failure(ask(registry, realm, client))).code).toBe("misbehaved");
    expect(sent).toEqual([]);
  });

  test.each([
    ["https://registry-1.docker.io/", "https://auth.docker.io/token"],
    ["https://10.0.0.1:5000/", "https://10.0.0.2/token"],
    ["http://127.0.0.1:5000/", "http://127.0.0.1:5001/token"],
    ["https://gitlab.io/", "/jwt/auth"],
  ])("of %s may be %s", async (registry, realm) => {
    const { client, sent } = answering({ token: "t", expires_in: 100 });
    expect(await ask(registry, realm, client)).toEqual({ value: "t", renewAt: 90_000 });
    expect(sent).toEqual([`${new URL(realm, registry).href}?scope=s`]);
  });
});

test.each([
  [{ token: "t" }, 54_000],
  [{ access_token: "t", expires_in: 3600 }, 3_240_000],
  [{ token: "t", expires_in: -5 }, 54_000],
  [{ token: "t", expires_in: "300" }, 54_000],
  [{ token: "", access_token: "t", expires_in: 10, issued_at: "nonsense" }, 9_000],
])("%j is renewed after %d ms", async (document, renewAt) => {
  const { client } = answering(document);
  expect(await ask("https://a.io/", "https://b.io/t", client)).toEqual({ value: "t", renewAt });
});
