import type { RegistryAnswer } from "./registry-http.ts";
import { misbehaved } from "./registry-http.ts";

/**
 * The path and query of the next page (RFC 8288, `rel="next"`), below the registry's origin; undefined on the last.
 * Throws `misbehaved` for a link to another origin, which no page of a list has.
 */
export function nextPage(answer: RegistryAnswer, base: URL): string | undefined {
  const header = (answer.headers["link"] ?? "").slice(0, 8192);
  for (const link of header.matchAll(/<([^<>]*)>([^<>]*)/g)) {
    const [, target = "", parameters = ""] = link;
    if (!/;\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)/i.test(parameters)) continue;
    const url = URL.canParse(target, answer.url.href) ? new URL(target, answer.url) : undefined;
    if (url === undefined || url.origin !== base.origin) throw misbehaved(base, "continues a list at another place");
    return `${url.pathname}${url.search}`.slice(1);
  }
  return undefined;
}
