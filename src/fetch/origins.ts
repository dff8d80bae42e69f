import type * as Undici from "undici";
import { Limiter } from "../bytes/limiter.ts";
import type { AddressRule } from "./address-guard.ts";
import { reachOfHost, type Reach } from "./reach.ts";

/** One origin's connections. A lane is one connection's client; the last one freed is the first to be used again. */
export interface Origin {
  readonly rule: AddressRule;
  readonly gate: Limiter;
  readonly lanes: Undici.Dispatcher[];
  readonly idle: Undici.Dispatcher[];
  /** Whether it has ever answered: only then can a kept connection be stale. */
  answered: boolean;
  /** Whether any of its addresses was a public one; undefined while none is known, as behind a proxy. */
  isPublic: boolean | undefined;
}

/** The origins that a client has asked, apart by what they were asked under: a connection never serves a stricter rule. */
export class Origins {
  readonly #connections: number;
  readonly #byKey = new Map<string, Origin>();

  constructor(connections: number) {
    this.#connections = connections;
  }

  /** The connections to `url`, which `namedBy` named; undefined where the user did. */
  for(url: URL, namedBy: URL | undefined): Origin {
    const rule = this.#rule(url, namedBy);
    const key = `${rule} ${url.origin}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const gate = new Limiter(this.#connections);
    const made: Origin = { rule, gate, lanes: [], idle: [], answered: false, isPublic: undefined };
    this.#byKey.set(key, made);
    return made;
  }

  /** Once public, always public: a name that stands for an inner address now and then is not to be trusted for that. */
  saw(origin: Origin, reaches: readonly Reach[]): void {
    if (reaches.length === 0) return;
    origin.isPublic = origin.isPublic === true || reaches.includes("public");
  }

  /** All lanes, which are forgotten. */
  clear(): readonly Undici.Dispatcher[] {
    const lanes = [...this.#byKey.values()].flatMap((origin) => origin.lanes);
    this.#byKey.clear();
    return lanes;
  }

  #rule(url: URL, namedBy: URL | undefined): AddressRule {
    if (namedBy === undefined) return "any";
    // Whoever was reached by the word of a public host speaks as one, however near it is.
    if (this.#byKey.has(`outer ${namedBy.origin}`) || this.#byKey.has(`outer ${url.origin}`)) return "outer";
    if (namedBy.origin === url.origin) return "any";
    return this.#isPublic(namedBy) ? "outer" : "inner";
  }

  #isPublic(url: URL): boolean {
    const known = [this.#byKey.get(`any ${url.origin}`), this.#byKey.get(`inner ${url.origin}`)];
    const states = known.map((origin) => origin?.isPublic).filter((state) => state !== undefined);
    return states.length === 0 ? reachOfHost(url.hostname) === "public" : states.includes(true);
  }
}
