import type { Digest } from "../bytes/digest.ts";
import { clip, type ByteRange } from "../bytes/range.ts";
import { checkRange, type ByteSink, type StreamingSource, type StreamOptions } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import type { FetchLog } from "../fetch/log.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { MirrorHealth } from "./mirror-health.ts";
import type { MirrorCapability, MirrorReport } from "./mirror.ts";
import type { Registry } from "./registry.ts";

/** A mirror with the client that speaks to it. */
export interface MirrorSite {
  readonly health: MirrorHealth;
  readonly capabilities: readonly MirrorCapability[];
  readonly registry: Registry;
}

/** A registry behind its mirrors. */
export interface MirroredRegistry {
  readonly registry: Registry;
  /** What has become of each, in the order in which they are asked. */
  reports(): readonly MirrorReport[];
  /** The bytes of a blob were wrong: the mirrors that gave any of them are left. True when one was, so that others are asked next. */
  distrust(digest: Digest): boolean;
}

export interface MirroredOptions {
  readonly sites: readonly MirrorSite[];
  readonly log?: FetchLog;
}

/**
 * Asks the mirrors in order, then the registry itself, then mirrors that have failed of late. Whatever fails at a mirror is
 * asked of the next; what the registry itself says is what the caller hears. Manifests are checked by their digests at each.
 * Referrers and tags are the registry's own to tell.
 */
export function mirroredRegistry(upstream: Registry, options: MirroredOptions): MirroredRegistry {
  return new Mirrored(upstream, options);
}

/** Who is asked: a mirror, or the registry itself. */
interface Place {
  readonly registry: Registry;
  readonly site?: MirrorSite;
}

interface Question {
  readonly needs: MirrorCapability;
  readonly digest?: Digest | undefined;
  readonly signal?: AbortSignal | undefined;
}

class Mirrored implements MirroredRegistry {
  readonly registry: Registry;
  readonly #upstream: Registry;
  readonly #options: MirroredOptions;
  /** Which mirrors gave bytes of a blob. */
  readonly #givers = new Map<Digest, Set<MirrorSite>>();

  constructor(upstream: Registry, options: MirroredOptions) {
    this.#upstream = upstream;
    this.#options = options;
    this.registry = {
      resolve: (reference, { signal } = {}) => {
        const { digest } = reference;
        const needs = digest === undefined ? "resolve" : "pull";
        return this.#ask({ needs, digest, signal }, ({ registry }) => registry.resolve(reference, within(signal)));
      },
      manifest: (descriptor, { signal } = {}) =>
        this.#ask({ needs: "pull", digest: descriptor.digest, signal }, ({ registry }) =>
          registry.manifest(descriptor, within(signal)),
        ),
      referrers: (subject, how) => upstream.referrers(subject, how),
      tags: (how) => upstream.tags(how),
      blob: (descriptor) => (descriptor.data === undefined ? this.#blob(descriptor) : upstream.blob(descriptor)),
      close: async () => {
        await Promise.all([upstream.close(), ...options.sites.map((site) => site.registry.close())]);
      },
    };
  }

  reports(): readonly MirrorReport[] {
    return this.#options.sites.map(({ health }) => health.report);
  }

  distrust(digest: Digest): boolean {
    const guilty = [...(this.#givers.get(digest) ?? [])].filter(({ health }) => !health.isLeft);
    this.#givers.delete(digest);
    for (const { health } of guilty) {
      const says = `gave bytes of ${digest} that do not have that digest`;
      health.leave(new RiffleError("verification", says));
      this.#options.log?.("warn", `mirror ${health.host}: ${says}; it is asked no more`, { host: health.host });
    }
    return guilty.length > 0;
  }

  #order({ needs, digest }: Question): readonly Place[] {
    const able = this.#options.sites.filter(
      ({ capabilities, health }) => capabilities.includes(needs) && !health.isLeft,
    );
    const places = (isWorth: boolean): readonly Place[] =>
      able
        .filter(({ health }) => health.isWorthAsking(digest) === isWorth)
        .map((site) => ({ registry: site.registry, site }));
    return [...places(true), { registry: this.#upstream }, ...places(false)];
  }

  async #ask<T>(question: Question, work: (place: Place) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const place of this.#order(question)) {
      try {
        const found = await work(place);
        place.site?.health.answered();
        return found;
      } catch (error) {
        if (question.signal?.aborted === true) throw error;
        // The registry's own word counts for more than that of a mirror asked before or after it.
        if (place.site === undefined || failure === undefined) failure = error;
        if (place.site !== undefined) this.#note(place.site, error, question.digest);
      }
    }
    throw failure;
  }

  #note({ health }: MirrorSite, error: unknown, digest: Digest | undefined): void {
    const before = health.report.state;
    health.failed(error, digest);
    const { host, state, message } = health.report;
    if (state === before) return;
    this.#options.log?.("warn", `mirror ${host}: ${message ?? "failed"}; the next is asked`, { host });
  }

  #gave(site: MirrorSite | undefined, digest: Digest): void {
    if (site === undefined) return;
    const known = this.#givers.get(digest);
    if (known === undefined) this.#givers.set(digest, new Set([site]));
    else known.add(site);
  }

  #blob(descriptor: Descriptor): StreamingSource {
    const { digest, size } = descriptor;
    const sources = new Map<Registry, StreamingSource>();
    const sourceOf = ({ registry }: Place): StreamingSource => {
      const source = sources.get(registry) ?? registry.blob(descriptor);
      sources.set(registry, source);
      return source;
    };
    const whole = <T>(signal: AbortSignal | undefined, read: (source: StreamingSource) => Promise<T>): Promise<T> =>
      this.#ask({ needs: "pull", digest, signal }, async (place) => {
        const found = await read(sourceOf(place));
        this.#gave(place.site, digest);
        return found;
      });
    return {
      id: digest,
      size,
      read: (range, how) => whole(how?.signal, (source) => source.read(range, how)),
      readMany: (ranges, how) => whole(how?.signal, (source) => source.readMany(ranges, how)),
      stream: async (range, sink, how = {}) => {
        checkRange(range);
        const rest = restOf(clip(range, size), sink);
        await this.#ask({ needs: "pull", digest, signal: how.signal }, (place) =>
          rest(sourceOf(place), { ...how, gave: () => this.#gave(place.site, digest) }),
        );
      },
    };
  }
}

function within(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

interface RestOptions extends StreamOptions {
  /** Called with every piece. */
  readonly gave: () => void;
}

/** Streams what is left of a range, from whichever source: each goes on where the last one broke off. */
function restOf(
  { start, end }: ByteRange,
  sink: ByteSink,
): (source: StreamingSource, options: RestOptions) => Promise<void> {
  let at = start;
  return async (source, { gave, ...how }) => {
    if (at >= end) return;
    const counted: ByteSink = (offset, bytes) => {
      gave();
      const held = sink(offset, bytes);
      if (offset <= at) at = Math.max(at, offset + bytes.length);
      return held;
    };
    await source.stream({ start: at, end }, counted, how);
  };
}
