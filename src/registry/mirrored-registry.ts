import type { Digest } from "../bytes/digest.ts";
import { clip } from "../bytes/range.ts";
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
 * asked of the next; what the last one says is what the caller hears. Manifests are checked by their digests at each.
 * Referrers and tags are the registry's own to tell.
 */
export function mirroredRegistry(upstream: Registry, options: MirroredOptions): MirroredRegistry {
  const { sites } = options;
  const givers = new Map<Digest, Set<MirrorSite>>();
  const order = (needs: MirrorCapability, digest?: Digest): readonly Place[] => {
    const able = sites.filter(({ capabilities, health }) => capabilities.includes(needs) && !health.isLeft);
    const [first, last] = [true, false].map((isWorth) =>
      able.filter(({ health }) => health.isWorthAsking(digest) === isWorth),
    );
    const place = (site: MirrorSite): Place => ({ registry: site.registry, site });
    return [...(first ?? []).map(place), { registry: upstream }, ...(last ?? []).map(place)];
  };
  const ask = async <T>(
    places: readonly Place[],
    work: (place: Place) => Promise<T>,
    how: { readonly digest?: Digest | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<T> => {
    let failure: unknown;
    for (const place of places) {
      try {
        const found = await work(place);
        place.site?.health.answered();
        return found;
      } catch (error) {
        if (how.signal?.aborted === true) throw error;
        // The registry's own word counts for more than that of a mirror asked after it.
        if (place.site === undefined || failure === undefined) failure = error;
        if (place.site !== undefined) note(place.site, error, how.digest);
      }
    }
    throw failure;
  };
  const note = (site: MirrorSite, error: unknown, digest: Digest | undefined): void => {
    const before = site.health.report.state;
    site.health.failed(error, digest);
    const { host, state, message } = site.health.report;
    if (state !== before) options.log?.("warn", `mirror ${host}: ${message ?? "failed"}; the next is asked`, { host });
  };
  const blob = (descriptor: Descriptor): StreamingSource => {
    const { digest } = descriptor;
    const sources = new Map<Registry, StreamingSource>();
    const sourceOf = ({ registry }: Place): StreamingSource => {
      const source = sources.get(registry) ?? registry.blob(descriptor);
      sources.set(registry, source);
      return source;
    };
    const given = (site: MirrorSite | undefined): void => {
      if (site === undefined) return;
      const known = givers.get(digest);
      if (known === undefined) givers.set(digest, new Set([site]));
      else known.add(site);
    };
    const size = descriptor.size;
    return {
      id: digest,
      size,
      read: (range, how) =>
        ask(
          order("pull", digest),
          (place) =>
            sourceOf(place)
              .read(range, how)
              .finally(() => given(place.site)),
          {
            digest,
            signal: how?.signal,
          },
        ),
      readMany: (ranges, how) =>
        ask(
          order("pull", digest),
          (place) =>
            sourceOf(place)
              .readMany(ranges, how)
              .finally(() => given(place.site)),
          {
            digest,
            signal: how?.signal,
          },
        ),
      stream: async (range, sink, how: StreamOptions = {}) => {
        checkRange(range);
        const { start, end } = clip(range, size);
        let at = start;
        const stream = (place: Place): Promise<void> => {
          const counted: ByteSink = (offset, bytes) => {
            given(place.site);
            const held = sink(offset, bytes);
            if (offset <= at) at = Math.max(at, offset + bytes.length);
            return held;
          };
          return at >= end ? Promise.resolve() : sourceOf(place).stream({ start: at, end }, counted, how);
        };
        await ask(order("pull", digest), stream, { digest, signal: how.signal });
      },
    };
  };
  const registry: Registry = {
    resolve: (reference, how) =>
      ask(
        order(reference.digest === undefined ? "resolve" : "pull"),
        (place) => place.registry.resolve(reference, how),
        {
          digest: reference.digest,
          signal: how?.signal,
        },
      ),
    manifest: (descriptor, how) =>
      ask(order("pull", descriptor.digest), (place) => place.registry.manifest(descriptor, how), {
        digest: descriptor.digest,
        signal: how?.signal,
      }),
    referrers: (subject, how) => upstream.referrers(subject, how),
    tags: (how) => upstream.tags(how),
    blob: (descriptor) => (descriptor.data === undefined ? blob(descriptor) : upstream.blob(descriptor)),
    close: async () => {
      await Promise.all([upstream.close(), ...sites.map((site) => site.registry.close())]);
    },
  };
  return {
    registry,
    reports: () => sites.map(({ health }) => health.report),
    distrust: (digest) => {
      const guilty = [...(givers.get(digest) ?? [])].filter(({ health }) => !health.isLeft);
      givers.delete(digest);
      for (const { health } of guilty) {
        const says = `gave bytes of ${digest} that do not have that digest`;
        health.leave(new RiffleError("verification", says));
        options.log?.("warn", `mirror ${health.host}: ${says}; it is asked no more`, { host: health.host });
      }
      return guilty.length > 0;
    },
  };
}

/** Who is asked: a mirror, or the registry itself. */
interface Place {
  readonly registry: Registry;
  readonly site?: MirrorSite;
}
