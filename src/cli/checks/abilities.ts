import type { Artifact } from "../../artifact/artifact.ts";
import type { RiffleError } from "../../errors.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { parseReference } from "../../oci/reference.ts";
import type { RegistryCapabilities } from "../../registry/capabilities.ts";
import type { Context } from "../command.ts";
import { asRiffleError } from "../exit.ts";
import { registryOptionsOf, type OpenOrder } from "../open.ts";

/** What was seen of a registry; of a layout directory there is nothing to see. */
export type RegistryFacts = { readonly kind: "layout" } | ({ readonly kind: "registry" } & RegistryCapabilities);

export interface FactsOptions {
  readonly artifact: Artifact;
  readonly layers: readonly Descriptor[];
  readonly context: Pick<Context, "signal" | "log">;
  /** Also a HEAD, and small ranges in parallel. */
  readonly thorough?: boolean;
}

/** What a registry can do, by trying it. That it cannot be tried is a fact too; only an interruption is thrown. */
export async function registryFacts(
  order: OpenOrder,
  { artifact, layers, context, thorough = false }: FactsOptions,
): Promise<{ readonly facts?: RegistryFacts; readonly failure?: RiffleError }> {
  const reference = parseReference(order.reference);
  if (reference.kind === "layout") return { facts: { kind: "layout" } };
  const largest = layers.reduce<Descriptor | undefined>(
    (a, b) => (a === undefined || b.size > a.size ? b : a),
    undefined,
  );
  try {
    const { registryCapabilities } = await import("../../registry/capabilities.ts");
    const seen = await registryCapabilities(reference, {
      ...registryOptionsOf(order, context.log),
      subject: artifact.manifest.descriptor.digest,
      thorough,
      ...(largest !== undefined && { blob: largest }),
    });
    return { facts: { kind: "registry", ...seen } };
  } catch (error) {
    context.signal.throwIfAborted();
    return { failure: asRiffleError(error) };
  }
}

/** What refers to the artifact; a registry that cannot say is one warning. */
export async function referrersOf(
  { registry, manifest }: Artifact,
  { signal, log }: Pick<Context, "signal" | "log">,
): Promise<readonly Descriptor[]> {
  try {
    return await registry.referrers(manifest.descriptor.digest, { signal });
  } catch (error) {
    signal.throwIfAborted();
    log("warn", `referrers: ${asRiffleError(error).message}`);
    return [];
  }
}
