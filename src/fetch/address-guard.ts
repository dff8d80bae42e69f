import { lookup as lookupCallback, type LookupAddress, type LookupOptions } from "node:dns";
import { RiffleError } from "../errors.ts";
import { reachOfAddress, type Reach } from "./reach.ts";

/**
 * Who may be connected to. `any`: what the user named. `inner`: what a registry inside this network named: not link-local.
 * `outer`: what a public registry named: public addresses alone, and private ones of IPv4 where a checked certificate proves
 * that the name's owner meant that very machine (private links to object storage, split DNS).
 */
export type AddressRule = "any" | "inner" | "outer";

/** `dns.lookup`, or a stand-in: all addresses of a name. */
export type LookupHost = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface AddressOptions {
  /** Default: `dns.lookup`. */
  readonly lookup?: LookupHost;
  /** Default: `reachOfAddress`. */
  readonly reachOf?: (address: string) => Reach;
}

export interface GuardOptions extends AddressOptions {
  readonly rule: AddressRule;
  /** The certificate of who answers is checked against the name that was asked for. */
  readonly isProven: boolean;
  /** Told of every set of addresses that a name stood for. */
  readonly seen?: (reaches: readonly Reach[]) => void;
}

function admits(reach: Reach, { rule, isProven }: GuardOptions): boolean {
  if (rule === "any" || reach === "public") return true;
  if (rule === "inner") return reach !== "link-local";
  return reach === "private" && isProven;
}

function inward(hostname: string): RiffleError {
  return new RiffleError("misbehaved", `${hostname} was named by the registry and is an address inside this network`, {
    hint: "riffle asks no such address on a registry's word",
    facts: { host: hostname },
  });
}

/** Throws `misbehaved` for an address, written as one, that `rule` does not admit. */
export function checkAddress(hostname: string, options: GuardOptions): void {
  const reach = (options.reachOf ?? reachOfAddress)(hostname.replace(/^\[|\]$/g, ""));
  options.seen?.([reach]);
  if (!admits(reach, options)) throw inward(hostname);
}

type Answer = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/**
 * A `lookup` for `net.connect` that gives only addresses which the rule admits: what is checked is what is connected to,
 * whatever the name stands for the next time.
 */
export function guardedLookup(
  options: GuardOptions,
): (hostname: string, wanted: LookupOptions, answer: Answer) => void {
  const { lookup = lookupCallback, reachOf = reachOfAddress } = options;
  return (hostname, wanted, answer) => {
    lookup(hostname, { ...wanted, all: true }, (error, addresses) => {
      if (error !== null) return answer(error, []);
      options.seen?.(addresses.map(({ address }) => reachOf(address)));
      const admitted = addresses.filter(({ address }) => admits(reachOf(address), options));
      const [first] = admitted;
      if (first === undefined) return answer(inward(hostname), []);
      if (wanted.all === true) return answer(null, admitted);
      return answer(null, first.address, first.family);
    });
  };
}
