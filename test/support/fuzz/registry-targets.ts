import { digestOf } from "../../../src/bytes/digest.ts";
import { blobSource } from "../../../src/fetch/blob.ts";
import { redirectTarget, urlExpiry } from "../../../src/fetch/redirect.ts";
import { retryAfterMs, type RetryOptions } from "../../../src/fetch/retry.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/media-type.ts";
import { parseReference } from "../../../src/oci/reference.ts";
import { parseChallenges } from "../../../src/registry/challenge.ts";
import { openRegistry } from "../../../src/registry/open-registry.ts";
import { answerText, NEXT, scriptedClient, scriptOf } from "./scripted-client.ts";
import { headerOf, json, utf8, type FuzzTarget } from "./target.ts";

const HOST = "registry.example.com";
const HOME = `https://${HOST}`;
const NOW_MS = 1_760_000_000_000;
const BLOB = new Uint8Array(Buffer.from("0123456789".repeat(20)));
const DIGEST = digestOf(BLOB);
/** No clock and no dice of its own: a run is the same when it is replayed. */
const RETRIES: RetryOptions = { now: () => NOW_MS, random: () => 0.5, sleep: async () => {}, attempts: 3 };

const manifest = Buffer.from(
  json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest: DIGEST, size: 2 },
    layers: [{ mediaType: "text/plain", digest: DIGEST, size: BLOB.length }],
  }),
).toString();
const index = Buffer.from(
  json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ mediaType: OCI_MANIFEST, digest: DIGEST, size: 9 }] }),
).toString();

const CHALLENGE = `Bearer realm="https://auth.example.com/token",service="${HOST}",scope="repository:a/b:pull"`;
const HEADER_WORDS = [
  "www-authenticate: ",
  "location: ",
  "link: ",
  "retry-after: ",
  "content-length: ",
  "content-range: bytes 0-199/200",
  "content-encoding: gzip",
  "content-type: text/html",
  "docker-content-digest: ",
  '<?n=1>; rel="next"',
  "https://169.254.169.254/",
  "http://127.0.0.1/",
  "//other.example.com/x",
  "X-Amz-Date=20260102T030405Z&X-Amz-Expires=60",
  NEXT,
  "401",
  "307",
  "206",
  "429",
  "\n\n",
];

/** A repository over whatever a registry may answer: challenges, tokens, redirects, manifests, tags, referrers. */
const registryAnswers: FuzzTarget = {
  name: "registry-answers",
  words: [...HEADER_WORDS, CHALLENGE, OCI_INDEX],
  seeds: () => {
    const token = answerText(200, {}, '{"token":"abc","expires_in":60,"issued_at":"2026-01-01T00:00:00Z"}');
    const found = answerText(200, { "content-type": OCI_MANIFEST, "docker-content-digest": DIGEST }, manifest);
    const listed = answerText(200, { "content-type": OCI_INDEX, link: '</v2/a/b/tags/list?n=2>; rel="next"' }, index);
    return [
      found,
      [answerText(401, { "www-authenticate": CHALLENGE }, ""), token, found].join(NEXT),
      [answerText(307, { location: "https://cdn.example.com/x?exp=1760000100" }, ""), found].join(NEXT),
      [listed, answerText(404, {}, '{"errors":[{"code":"NAME_UNKNOWN"}]}')].join(NEXT),
      answerText(200, { link: '<?n=1&last=b>; rel="next"' }, '{"tags":["a","b"]}'),
      answerText(429, { "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT" }, ""),
    ].map(utf8);
  },
  run: async (input, tried) => {
    const answers = scriptOf(input);
    const reference = parseReference(`${HOST}/a/b:v1`);
    const open = (): ReturnType<typeof openRegistry> =>
      openRegistry(reference, {
        ...RETRIES,
        client: scriptedClient(answers, HOME),
        credentials: async () => ({ username: "u", password: "p", identityToken: "refresh" }),
      });
    await tried(async () => {
      const registry = open();
      await registry.manifest(await registry.resolve(reference));
    });
    await tried(() => open().referrers(DIGEST));
    await tried(async () => {
      for await (const tag of open().tags()) if (typeof tag !== "string") throw new Error("a tag that is no text");
    });
  },
};

/** Ranges of a blob over whatever a storage may answer: redirects and their life, Content-Range, lengths, encodings. */
const blobAnswers: FuzzTarget = {
  name: "blob-answers",
  words: HEADER_WORDS,
  seeds: () => {
    const body = Buffer.from(BLOB).toString();
    const part = answerText(206, { "content-range": "bytes 10-59/200", "content-length": "50" }, body.slice(10, 60));
    return [
      part,
      answerText(200, { "content-length": "200" }, body),
      [answerText(307, { location: "https://cdn.example.com/x?se=2026-01-01T00:00:00Z" }, ""), part].join(NEXT),
      [answerText(206, { "content-range": "bytes 10-59/200" }, body.slice(10, 30)), answerText(503, {}, "")].join(NEXT),
      answerText(416, { "content-range": "bytes */100" }, ""),
    ].map(utf8);
  },
  run: async (input) => {
    const source = blobSource({
      ...RETRIES,
      client: scriptedClient(scriptOf(input), HOME),
      authorizer: {
        headers: async (url) => (url.origin === HOME ? { authorization: "Bearer secret" } : {}),
        challenged: async () => false,
      },
      url: new URL(`${HOME}/v2/a/b/blobs/${DIGEST}`),
      id: DIGEST,
      size: BLOB.length,
    });
    const bytes = await source.read({ start: 10, end: 60 });
    if (bytes.length !== 50) throw new Error(`${bytes.length} bytes instead of 50`);
  },
};

const challenge: FuzzTarget = {
  name: "challenge",
  maxBytes: 64 * 1024,
  words: ["Bearer ", "Basic ", "realm=", '"', "\\", ",", "=", "==", "Negotiate YWJj==", 'scope="a b"'],
  seeds: () => [CHALLENGE, 'Basic realm="x", Digest nonce=a', "Negotiate YWJj==, Bearer realm=https://a/t"].map(utf8),
  run: (input) => {
    const header = headerOf(input);
    if (parseChallenges(header).length > header.length) throw new Error("more challenges than characters");
  },
};

/** Locations of redirects, how long signed URLs live, and how long a registry asks to wait. */
const redirect: FuzzTarget = {
  name: "redirect",
  words: [
    "https://",
    "http://",
    "//",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
    "localhost",
    "user:pw@",
    "?X-Amz-Date=20260102T030405Z",
    "&X-Amz-Expires=",
    "&se=",
    "&exp=99999999999",
    "file:",
    "..",
    "%00",
  ],
  seeds: () =>
    [
      "https://cdn.example.com/a?X-Amz-Date=20260102T030405Z&X-Amz-Expires=600&X-Amz-Signature=ab",
      "/v2/a/blobs/x",
      "https://storage.googleapis.com/x?X-Goog-Date=20260102T030405Z&X-Goog-Expires=60",
      "https://a.blob.core.windows.net/x?se=2026-01-02T03%3A04%3A05Z&sig=x",
      "https://[::1]:8080/",
    ].map(utf8),
  run: async (input) => {
    const text = headerOf(input);
    const wait = retryAfterMs(text, NOW_MS);
    if (!(wait >= 0)) throw new Error(`a wait of ${wait} ms`);
    const target = redirectTarget(new URL(HOME), text, {});
    if (target.protocol !== "https:" || target.username !== "") throw new Error(`led to ${target.protocol}`);
    const expiry = urlExpiry(target, NOW_MS);
    if (!Number.isFinite(expiry)) throw new Error(`a life until ${expiry}`);
  },
};

export const REGISTRY_TARGETS: readonly FuzzTarget[] = [registryAnswers, blobAnswers, challenge, redirect];
