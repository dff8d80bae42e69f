import type { RiffleError } from "../../errors.ts";
import type { Context } from "../command.ts";
import { asRiffleError, hintOf } from "../exit.ts";
import { documentsOf, layersOf } from "../manifests.ts";
import { parseReference } from "../../oci/reference.ts";
import { openOrdered, openOrderOf } from "../open.ts";
import { registryFacts, type RegistryFacts } from "./abilities.ts";
import { fail, ok, warn, type Check } from "./check.ts";

export interface RegistryChecks {
  readonly checks: readonly Check[];
  /** What keeps the artifact from being used. */
  readonly error?: RiffleError;
}

const NAMES: Readonly<Partial<Record<RiffleError["code"], string>>> = {
  credentials: "credentials",
  "not-found": "artifact",
  malformed: "artifact",
  verification: "artifact",
};

function abilityChecks(facts: RegistryFacts): readonly Check[] {
  if (facts.kind === "layout") return [ok("layout", "a local directory: no registry is asked")];
  const { ranges, redirects = [], scheme, host, authentication, isRegistry } = facts;
  const checks: Check[] = [
    ok("registry", `${scheme}://${host}, ${authentication === "anonymous" ? "no" : authentication} authentication`),
  ];
  if (!isRegistry)
    checks.push(warn("registry", `${host} does not answer /v2/ as registries do`, "check the host name and the proxy"));
  const whole = "a read fetches the whole layer once; a mirror that knows ranges helps";
  if (ranges === "partial") checks.push(ok("ranges", "parts of layers come alone"));
  if (ranges === "whole") checks.push(warn("ranges", "the registry ignores ranges and sends whole layers", whole));
  if (ranges === "refused")
    checks.push(warn("ranges", "the registry refuses a range of a layer", "-vv shows the answer"));
  if (ranges === undefined) checks.push(ok("ranges", "there is no layer to try"));
  checks.push(ok("redirects", redirects.length === 0 ? "none" : `layers come from ${redirects.join(", then ")}`));
  checks.push(ok("referrers", facts.referrersApi === true ? "by the API" : "by the tag schema"));
  return checks;
}

/** Reaches for the artifact as a mount would. Throws `usage` and `aborted`; all else is a check that failed. */
export async function registryChecks(context: Context, reference: string): Promise<RegistryChecks> {
  try {
    parseReference(reference);
    const order = await openOrderOf(context, reference, { noCache: true });
    await using artifact = await openOrdered(order, context);
    const layers = [...layersOf(await documentsOf(artifact)).values()];
    const checks: Check[] = [ok("artifact", artifact.reference)];
    const { facts, failure } = await registryFacts(order, { artifact, layers, context });
    if (facts !== undefined) checks.push(...abilityChecks(facts));
    if (failure !== undefined) checks.push(warn("registry", failure.message, hintOf(failure)));
    return { checks };
  } catch (thrown) {
    const error = asRiffleError(thrown);
    if (error.code === "usage" || error.code === "aborted" || error.code === "internal") throw error;
    return { checks: [fail(NAMES[error.code] ?? "registry", error.message, hintOf(error))], error };
  }
}
