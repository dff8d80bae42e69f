import { RiffleError, type ErrorFacts } from "../errors.ts";
import { mayName, reachOfHost } from "./reach.ts";

/** 300 and 304 have no place to go; the others do, and a range GET stays one over all of them. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** No registry seen needs more than two. */
export const MAX_HOPS = 5;

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status);
}

/**
 * Where a redirect leads. Rejects (`misbehaved`) what could carry a request to a place that the registry has no business
 * naming: from TLS to plain HTTP, from a public host to an address inside this network, with credentials in the URL. What
 * a name stands for is judged by the client, when it connects (`HttpRequest.namedBy`).
 */
export function redirectTarget(from: URL, location: string | undefined, facts: ErrorFacts): URL {
  const refuse = (why: string): RiffleError =>
    new RiffleError("misbehaved", `${from.host} redirects ${why}`, { facts: { ...facts, host: from.host } });
  const target = location === undefined || !URL.canParse(location, from.href) ? undefined : new URL(location, from);
  if (target === undefined) throw refuse("to nowhere");
  if (target.protocol !== "https:" && target.protocol !== "http:") throw refuse(`to ${target.protocol}`);
  if (from.protocol === "https:" && target.protocol === "http:") throw refuse(`from https to http at ${target.host}`);
  if (target.username !== "" || target.password !== "") throw refuse("to an address with credentials in it");
  const stays = target.hostname === from.hostname;
  if (!stays && !mayName(reachOfHost(from.hostname), reachOfHost(target.hostname)))
    throw refuse(`to an address inside this network (${target.host})`);
  return target;
}

/** `20260102T030405Z` (AWS signature version 4, Google's copy of it) in milliseconds since the epoch. */
function compactTime(text: string | null): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? "");
  return parts === null ? Number.NaN : Date.parse(`${parts.slice(1, 4).join("-")}T${parts.slice(4, 7).join(":")}Z`);
}

function seconds(text: string | null): number {
  return text !== null && /^\d{1,12}$/.test(text) ? Number(text) * 1000 : Number.NaN;
}

/** A URL that does not say how long it lives is asked for anew after this long: GitLab's tokens once lived 60 s. */
const UNSTATED_LIFE_MS = 60_000;
/** Signed for longer than that or not: an hour bounds how long a moved blob is looked for at its old place. */
const LONGEST_LIFE_MS = 3_600_000;
/** Given up this much early, so that a request on its way does not arrive late. */
const MARGIN_MS = 5_000;

/**
 * Until when (ms since the epoch) a signed URL may be used: X-Amz-Date + X-Amz-Expires (S3), X-Goog-* (GCS), `Expires`
 * (CloudFront, S3 version 2), `se` (Azure SAS), `exp` (token CDNs); the earliest that is there. What `Cache-Control` says
 * is not asked: Quay answers `max-age=31536000` beside a URL of ten minutes.
 */
export function urlExpiry(url: URL, nowMs: number): number {
  const stated = statedExpiry(url);
  return stated === undefined ? nowMs + UNSTATED_LIFE_MS : Math.min(stated, nowMs + LONGEST_LIFE_MS) - MARGIN_MS;
}

/** What the URL itself says of that; undefined when nothing. */
export function statedExpiry(url: URL): number | undefined {
  const query = new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value]));
  const get = (name: string): string | null => query.get(name) ?? null;
  const stated = [
    compactTime(get("x-amz-date")) + seconds(get("x-amz-expires")),
    compactTime(get("x-goog-date")) + seconds(get("x-goog-expires")),
    seconds(get("expires")),
    seconds(get("exp")),
    Date.parse(get("se") ?? ""),
  ].filter((time) => Number.isFinite(time));
  return stated.length === 0 ? undefined : Math.min(...stated);
}
