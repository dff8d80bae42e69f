import { BlockList, isIP } from "node:net";
import { RiffleError } from "../errors.ts";

/** The proxy settings of an environment, as `curl` and Go read them; lower-case names win. */
export type ProxySettings = Readonly<Record<string, string | undefined>>;

function setting(settings: ProxySettings, name: string): string {
  return (settings[name.toLowerCase()] ?? settings[name] ?? "").trim();
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
}

/** `localhost` and its subdomains, 127.0.0.0/8, ::1. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (isIP(bare) === 4) return bare.startsWith("127.");
  return bare === "::1" || bare === "localhost" || bare.endsWith(".localhost");
}

function inSubnet(host: string, entry: string): boolean {
  const [address = "", bits = ""] = entry.split("/");
  const family = isIP(address);
  const prefix = Number(bits);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits) || prefix > (family === 4 ? 32 : 128))
    return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, prefix, type);
  return list.check(host, type);
}

/** One entry of NO_PROXY: `*`, `host`, `.domain`, `*.domain`, `host:port`, an address, or a subnet. */
function exempts(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inSubnet(host, entry);
  const withPort = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry);
  if (withPort !== null && withPort[2] !== port) return false;
  const name = (withPort?.[1] ?? entry).replace(/^\[|\]$/g, "").replace(/^\*?\./, "");
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`));
}

/** Whether any address could have a proxy. */
export function namesProxy(settings: ProxySettings): boolean {
  return setting(settings, "HTTPS_PROXY") !== "" || setting(settings, "HTTP_PROXY") !== "";
}

/** The proxy for `url`; undefined when it is asked directly. Loopback is never asked through a proxy, as in Go. */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const chosen = setting(settings, url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY");
  const host = bareHost(url);
  if (chosen === "" || isLoopbackHost(host)) return undefined;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const entries = setting(settings, "NO_PROXY")
    .toLowerCase()
    .split(/[,\s]+/);
  if (entries.some((entry) => entry !== "" && exempts(entry, host, port))) return undefined;
  const text = chosen.includes("://") ? chosen : `http://${chosen}`;
  if (!URL.canParse(text))
    throw new RiffleError("usage", "the proxy address is not a URL", { hint: "see HTTPS_PROXY" });
  return new URL(text);
}
