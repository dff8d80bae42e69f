import type { Descriptor } from "../../oci/descriptor.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Content } from "./save.ts";

/** A blob as the registry sends it, past the cache: each byte once, and proven by the digest when all are there. */
export function blobContent(registry: Registry, descriptor: Descriptor): Content {
  const source = registry.blob(descriptor);
  return {
    id: descriptor.digest,
    size: descriptor.size,
    digest: descriptor.digest,
    fetch: (range, sink, signal) =>
      source.stream(range, sink, signal === undefined ? { priority: "demand" } : { signal, priority: "demand" }),
  };
}
