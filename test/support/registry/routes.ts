import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { contentSize, type Content } from "../content.ts";
import { bytesAnswer, contentAnswer, emptyAnswer, errorAnswer, gzipped, jsonAnswer, type Answer } from "./answer.ts";
import type { Gate } from "./auth.ts";
import type { RegistryOptions, RegistryQuirks, RequestKind } from "./options.ts";
import type { RegistryStore } from "./store.ts";
import type { Uploads } from "./uploads.ts";

const DEFAULT_EXPIRES_MS = 60_000;
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

export interface Routes {
  /** What the registry's own origin says. */
  registry(request: IncomingMessage, url: URL): Promise<Answer>;
  /** What the redirect's target says: `leaked` when the request brought credentials. */
  storage(request: IncomingMessage, url: URL): Answer;
  kind(url: URL): RequestKind;
}

export interface RoutesParts {
  readonly options: () => RegistryOptions;
  readonly store: RegistryStore;
  readonly gate: Gate;
  readonly uploads: Uploads;
  /** Plain files below `/files/`, for programs that know nothing of registries. */
  readonly files: ReadonlyMap<string, Content>;
  /** `http://host:port` of the redirect's target. */
  readonly storageUrl: () => string;
}

const PLACE = /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs|referrers|tags)(?:\/(.*))?$/;

const KINDS: readonly (readonly [string, RequestKind])[] = [
  ["manifests", "manifest"],
  ["blobs", "blob"],
  ["blobs/uploads", "upload"],
  ["referrers", "referrers"],
  ["tags", "tags"],
];

export function createRoutes(parts: RoutesParts): Routes {
  const key = randomBytes(16);
  const quirks = (): RegistryQuirks => parts.options().quirks ?? {};
  const sign = (text: string): string => createHmac("sha256", key).update(text).digest("hex");

  /** Blobs that were sent whole, or pushed to a cache that was. */
  const warm = new Set<string>();

  const redirect = (digest: string, expiresMs: number): Answer => {
    const { redirectStatus = 307, redirectRelative, redirectCacheControl } = quirks();
    const until = Math.round(Date.now() + expiresMs);
    const query = `X-Expires=${until}&X-Signature=${sign(`${digest} ${until}`)}`;
    const place = redirectRelative === true ? "/artifacts-downloads" : `${parts.storageUrl()}/storage`;
    return emptyAnswer(redirectStatus, {
      Location: `${place}/${digest}?${query}`,
      ...(redirectCacheControl === undefined ? {} : { "Cache-Control": redirectCacheControl }),
    });
  };

  const blob = (request: IncomingMessage, digest: string): Answer => {
    if (request.method !== "GET" && request.method !== "HEAD") return errorAnswer(405, "UNSUPPORTED");
    const content = parts.store.blob(digest);
    if (content === undefined) return errorAnswer(404, "BLOB_UNKNOWN");
    const { redirect: elsewhere = false } = parts.options();
    const { headBlob, redirectWholeOnly, gzipsBlobs } = quirks();
    const { range } = request.headers;
    if (request.method === "HEAD" && headBlob === "refused") return errorAnswer(405, "UNSUPPORTED");
    if (request.method === "HEAD" && headBlob === "missing-when-cold" && !warm.has(digest))
      return errorAnswer(404, "BLOB_UNKNOWN");
    const redirects =
      elsewhere !== false && request.method === "GET" && !(redirectWholeOnly === true && range !== undefined);
    if (redirects) return redirect(digest, elsewhere.expiresMs ?? DEFAULT_EXPIRES_MS);
    const headers = { "Docker-Content-Digest": digest, ETag: `"${digest}"` };
    const answer = bytesOf(content, { digest, headers, range: request.method === "GET" ? range : undefined });
    const takesGzip = request.headers["accept-encoding"]?.includes("gzip") === true;
    return gzipsBlobs === true && takesGzip ? gzipped(answer) : answer;
  };

  const bytesOf = (
    content: Content,
    asked: { readonly digest: string; readonly headers: OutgoingHttpHeaders; readonly range: string | undefined },
  ): Answer => {
    const { ranges = true } = parts.options();
    const { rangeForms = "all", coldWhole, noAcceptRanges } = quirks();
    const cold = coldWhole === true && !warm.has(asked.digest);
    const answer = contentAnswer(content, {
      headers: asked.headers,
      range: asked.range,
      ranges: ranges && !cold,
      forms: rangeForms,
      ...(noAcceptRanges === true ? { tellsRanges: false } : {}),
    });
    if (answer.body === undefined || answer.status !== 200) return answer;
    return { ...answer, body: whole(answer.body, () => warm.add(asked.digest)) };
  };

  const manifest = async (request: IncomingMessage, repository: string, name: string): Promise<Answer> => {
    if (request.method === "PUT") return putManifest(parts.store, request, { repository, name });
    if (request.method !== "GET" && request.method !== "HEAD") return errorAnswer(405, "UNSUPPORTED");
    const found = parts.store.manifest(repository, name);
    if (found === undefined) return errorAnswer(404, "MANIFEST_UNKNOWN");
    const { refusesManifestRange, noDigestHeader } = quirks();
    if (refusesManifestRange === true && request.headers.range !== undefined) return errorAnswer(400, "UNSUPPORTED");
    return bytesAnswer(200, found.manifest.bytes, {
      "Content-Type": found.manifest.mediaType,
      ...(noDigestHeader === true ? {} : { "Docker-Content-Digest": found.digest, ETag: `"${found.digest}"` }),
    });
  };

  const signedBlob = (request: IncomingMessage, url: URL): Answer => {
    const digest = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    const until = url.searchParams.get("X-Expires") ?? "";
    const given = Buffer.from(url.searchParams.get("X-Signature") ?? "");
    const right = Buffer.from(sign(`${digest} ${until}`));
    if (given.length !== right.length || !timingSafeEqual(given, right) || Number(until) < Date.now())
      return bytesAnswer(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>");
    const content = parts.store.blob(digest);
    if (content === undefined) return bytesAnswer(404, "<Error><Code>NoSuchKey</Code></Error>");
    return bytesOf(content, { digest, headers: { ETag: `"${digest.slice(-32)}"` }, range: request.headers.range });
  };

  return {
    async registry(request, url) {
      if (url.pathname === "/token") {
        const form = request.method === "POST" ? new URLSearchParams(await readText(request)) : undefined;
        return parts.gate.token({
          authorization: request.headers.authorization,
          scopes: (form ?? url.searchParams).getAll("scope").flatMap((text) => text.split(" ")),
          ...(form === undefined ? {} : { form }),
        });
      }
      if (url.pathname.startsWith("/files/")) return plainFile(parts.files, request, url);
      if (url.pathname.startsWith("/artifacts-downloads/")) return signedBlob(request, url);
      if (url.pathname === "/sign-in") return bytesAnswer(200, "<html>Sign in</html>", { "Content-Type": "text/html" });
      const [, repository, what, name = ""] = PLACE.exec(url.pathname) ?? [];
      const action = request.method === "GET" || request.method === "HEAD" ? "pull" : "push";
      const refusal = parts.gate.refuse({
        host: request.headers.host ?? "",
        authorization: request.headers.authorization,
        repository,
        action,
      });
      if (refusal !== undefined) return refusal;
      if (url.pathname === "/v2/" || url.pathname === "/v2")
        return jsonAnswer(200, {}, { "Docker-Distribution-Api-Version": "registry/2.0" });
      if (repository === undefined) return errorAnswer(404, "NAME_UNKNOWN");
      if (what === "manifests") return manifest(request, repository, name);
      if (what === "blobs") return blob(request, name);
      if (what === "blobs/uploads")
        return parts.uploads.handle(request, { repository, id: name, query: url.searchParams });
      if (what === "referrers") return referrers(parts, { repository, subject: name, query: url.searchParams });
      return tags(parts, { repository, query: url.searchParams });
    },
    storage(request, url) {
      // object stores refuse a request that is both signed and authorized, and a signature is for one method
      if (request.headers.authorization !== undefined)
        return bytesAnswer(400, "<Error><Code>InvalidArgument</Code></Error>");
      if (url.pathname === "/limited") return bytesAnswer(429, "too many requests", { "Retry-After": "1" });
      if (request.method !== "GET") return bytesAnswer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
      return signedBlob(request, url);
    },
    kind(url) {
      if (url.pathname === "/token") return "token";
      if (/^\/(storage|artifacts-downloads)\//.test(url.pathname)) return "blob";
      if (url.pathname.startsWith("/files/")) return "file";
      const what = PLACE.exec(url.pathname)?.[2];
      return KINDS.find(([place]) => place === what)?.[1] ?? "other";
    },
  };
}

async function* whole(body: AsyncIterable<Uint8Array>, done: () => void): AsyncGenerator<Uint8Array> {
  yield* body;
  done();
}

async function readText(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  // the stream of a request without an encoding yields buffers
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function putManifest(
  store: RegistryStore,
  request: IncomingMessage,
  place: { readonly repository: string; readonly name: string },
): Promise<Answer> {
  const pieces: Buffer[] = [];
  let size = 0;
  // the stream of a request without an encoding yields buffers
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_MANIFEST_BYTES) return errorAnswer(413, "SIZE_INVALID");
    pieces.push(piece);
  }
  const bytes = Buffer.concat(pieces);
  const mediaType = request.headers["content-type"] ?? "application/vnd.oci.image.manifest.v1+json";
  const byDigest = place.name.includes(":");
  const digest = store.addManifest(
    place.repository,
    { mediaType, bytes },
    byDigest ? { digest: place.name } : { tag: place.name },
  );
  if (byDigest && digest !== place.name) return errorAnswer(400, "DIGEST_INVALID");
  const subject = parseLoosely(bytes).subject?.digest;
  return emptyAnswer(201, {
    Location: `/v2/${place.repository}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...(subject === undefined ? {} : { "OCI-Subject": subject }),
  });
}

interface LooseManifest {
  readonly artifactType?: string;
  readonly config?: { readonly mediaType?: string };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: { readonly digest?: string };
}

/** Bad manifests are stored too, so what cannot be read is simply empty. */
function parseLoosely(bytes: Uint8Array): LooseManifest {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    // every member is optional and only compared or copied
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function referrers(
  parts: RoutesParts,
  place: { readonly repository: string; readonly subject: string; readonly query: URLSearchParams },
): Answer {
  const { referrers: offered = true, quirks = {} } = parts.options();
  if (quirks.referrers === "sign-in-page") return emptyAnswer(302, { Location: "/sign-in" });
  if (quirks.referrers === "elsewhere-429") return emptyAnswer(303, { Location: `${parts.storageUrl()}/limited` });
  if (!offered) return errorAnswer(404, "UNSUPPORTED");
  const wanted = place.query.get("artifactType");
  const manifests = [...parts.store.manifests(place.repository)].flatMap(([digest, { mediaType, bytes }]) => {
    const { subject, artifactType, config, annotations } = parseLoosely(bytes);
    const type = artifactType ?? config?.mediaType;
    if (subject?.digest !== place.subject || (wanted !== null && type !== wanted)) return [];
    return [{ mediaType, digest, size: bytes.length, artifactType: type, annotations }];
  });
  const mediaType = "application/vnd.oci.image.index.v1+json";
  return jsonAnswer(
    200,
    { schemaVersion: 2, mediaType, manifests },
    { "Content-Type": mediaType, ...(wanted === null ? {} : { "OCI-Filters-Applied": "artifactType" }) },
  );
}

function tags(parts: RoutesParts, place: { readonly repository: string; readonly query: URLSearchParams }): Answer {
  const all = parts.store.tags(place.repository);
  if (all === undefined) return errorAnswer(404, "NAME_UNKNOWN");
  const last = place.query.get("last") ?? "";
  const asked = Number(place.query.get("n") ?? Infinity);
  const count = Math.min(asked, parts.options().tagPage ?? Infinity);
  const rest = all.filter((tag) => tag > last);
  const page = rest.slice(0, count);
  const next = `/v2/${place.repository}/tags/list?n=${count}&last=${encodeURIComponent(page.at(-1) ?? "")}`;
  return jsonAnswer(
    200,
    { name: place.repository, tags: page },
    page.length < rest.length && page.length > 0 ? { Link: `<${next}>; rel="next"` } : {},
  );
}

function plainFile(files: ReadonlyMap<string, Content>, request: IncomingMessage, url: URL): Answer {
  const name = decodeURIComponent(url.pathname.slice("/files/".length));
  if (name === "" || name.endsWith("/")) {
    const names = [...files.keys()].flatMap((path) =>
      path.startsWith(name) ? [path.slice(name.length).replace(/\/.*/, "/")] : [],
    );
    const links = [...new Set(names)].map((item) => `<a href="${encodeURI(item)}">${item}</a>`);
    return bytesAnswer(200, `<html><body>\n${links.join("\n")}\n</body></html>\n`, { "Content-Type": "text/html" });
  }
  const content = files.get(name);
  if (content === undefined) return emptyAnswer(404);
  const headers = { ETag: `"${contentSize(content).toString(16)}"`, "Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT" };
  return contentAnswer(content, {
    headers,
    range: request.method === "GET" ? request.headers.range : undefined,
    ranges: true,
  });
}
