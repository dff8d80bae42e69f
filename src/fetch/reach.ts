import { BlockList, isIP } from "node:net";

/**
 * From how far a host can be reached. `link-local` also stands for the addresses of cloud metadata services, wherever they
 * lie; `unique-local` is fc00::/7; `private` is RFC 1918 and the shared space of carriers (RFC 6598).
 */
export type Reach = "public" | "private" | "unique-local" | "link-local" | "loopback";

type Inner = Exclude<Reach, "public">;

/** IPv4 is written as such: every subnet also counts where it is embedded (mapped, compatible, NAT64, 6to4). */
const SUBNETS: Readonly<Record<Inner, readonly string[]>> = {
  loopback: ["0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128"],
  // Behind the first two: Alibaba, Azure and Oracle; then those of AWS and Google on IPv6.
  "link-local": [
    "169.254.0.0/16",
    "fe80::/10",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
  ],
  "unique-local": ["fc00::/7", "fec0::/10"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"],
};

/** The first that matches counts. */
const ORDER: readonly Inner[] = ["loopback", "link-local", "unique-local", "private"];

/** `::ffff:a.b.c.d` is known to BlockList itself. */
const EMBEDDINGS = ["64:ff9b::", "::"] as const;

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = "", bits = ""] = subnet.split("/");
    if (isIP(address) === 6) {
      list.addSubnet(address, Number(bits), "ipv6");
      continue;
    }
    list.addSubnet(address, Number(bits), "ipv4");
    for (const before of EMBEDDINGS) list.addSubnet(before + address, 96 + Number(bits), "ipv6");
    const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
    const group = (high: number, low: number): string => (high * 256 + low).toString(16);
    list.addSubnet(`2002:${group(a, b)}:${group(c, d)}::`, 16 + Number(bits), "ipv6");
  }
  return list;
}

const LISTS: ReadonlyMap<Inner, BlockList> = new Map(ORDER.map((reach) => [reach, listOf(SUBNETS[reach])]));

/** The reach of an IP address; what is none is `loopback`, the nearest, so that it is never taken for public. */
export function reachOfAddress(text: string): Reach {
  const address = text.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  const family = isIP(address);
  if (family === 0) return "loopback";
  const type = family === 4 ? "ipv4" : "ipv6";
  return ORDER.find((reach) => LISTS.get(reach)?.check(address, type) === true) ?? "public";
}

/** Suffixes that never name a host of the public network (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`). */
const PRIVATE_SUFFIX = /(?:^|\.)(?:local|internal|lan|home\.arpa|test)$/;

/** The reach of a host as far as its spelling tells; names are not looked up. */
export function reachOfHost(hostname: string): Reach {
  const host = hostname
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
  if (isIP(host) !== 0) return reachOfAddress(host);
  if (host === "localhost" || host.endsWith(".localhost")) return "loopback";
  return !host.includes(".") || PRIVATE_SUFFIX.test(host) ? "private" : "public";
}

/** Whether an answer from a host of reach `from` may send a client to a host that is spelled with reach `to`. */
export function mayName(from: Reach, to: Reach): boolean {
  return from === "public" ? to === "public" : to !== "link-local";
}
