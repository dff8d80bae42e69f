import type { RiffleError } from "../../errors.ts";
import type { Context } from "../command.ts";
import { asRiffleError, hintOf } from "../exit.ts";
import { documentsOf, layersOf } from "../manifests.ts";
import { parseReference } from "../../oci/reference.ts";
import type { MirrorReport } from "../../registry/mirror.ts";
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

type Seen = RegistryFacts & { readonly kind: "registry" };

function rangeCheck({ ranges, rangeStatus }: Seen): Check {
  const name = "ranges";
  if (ranges === "partial") return ok(name, "206: a read fetches the parts that it needs");
  if (ranges === undefined) return ok(name, "there is no layer to try");
  if (ranges === "whole") {
    const remedy = "the first read of a layer fetches all of it, once; a mirror that knows ranges helps";
    return warn(name, "200: the registry ignores ranges and sends whole layers", remedy);
  }
  return warn(name, `${rangeStatus ?? "?"}: the registry refuses a range of a layer`, "reads will fail; -v shows why");
}

function redirectCheck({ redirects = [], redirectLifeS }: Seen): Check {
  const name = "redirects";
  if (redirects.length === 0) return ok(name, "none: layers come from the registry");
  const again =
    redirectLifeS === null || redirectLifeS === undefined
      ? "it does not say how long it lives: asked for anew each minute"
      : `it lives ${redirectLifeS} s: asked for anew before that`;
  const where = `layers come from ${redirects.join(", then ")}, asked without credentials`;
  return ok(name, `${where}; ${again}`);
}

function headCheck({ headStatus }: Seen): readonly Check[] {
  if (headStatus === undefined) return [];
  const works = headStatus < 400 ? "works" : "is refused";
  return [ok("head", `${headStatus}: HEAD of a layer ${works}; riffle never needs it`)];
}

function parallelCheck({ parallel }: Seen): readonly Check[] {
  const name = "parallel";
  if (parallel === undefined) return [];
  const { asked, answered, refused, atOnce } = parallel;
  const counts = `${answered} of ${asked} small ranges answered`;
  if (refused > 0) {
    const remedy = "riffle waits as it is told and asks again; log in, or use a mirror, for a higher limit";
    return [warn(name, `${counts}, ${refused} refused as too many at once`, remedy)];
  }
  if (answered < asked) return [warn(name, counts, "failed ones are asked for again; -v shows the answers")];
  // Two clocks' worth of doubt: a loaded machine must not be taken for a registry that serves one by one.
  if (atOnce > 2) return [ok(name, `${counts} at once: up to ${asked} requests for a layer`)];
  const remedy = "more requests gain nothing there: large reads are as fast as one connection";
  return [warn(name, `${counts}, about ${atOnce} at a time`, remedy)];
}

function abilityChecks(facts: RegistryFacts): readonly Check[] {
  if (facts.kind === "layout") return [ok("layout", "a local directory: no registry is asked")];
  const { scheme, host, authentication, isRegistry, referrersApi } = facts;
  const how = authentication === "anonymous" ? "no" : authentication;
  const strange = warn(
    "registry",
    `${host} does not answer /v2/ as registries do`,
    "check the host name and the proxy",
  );
  return [
    ok("registry", `${scheme}://${host}, ${how} authentication`),
    ...(isRegistry ? [] : [strange]),
    rangeCheck(facts),
    redirectCheck(facts),
    ...headCheck(facts),
    ...parallelCheck(facts),
    ok("referrers", referrersApi === true ? "200: by the API" : "no API: by the tag schema"),
  ];
}

function mirrorCheck({ host, state, message }: MirrorReport): Check {
  if (state === "answered") return ok("mirror", `${host} answers before the registry`);
  if (state === "unused") return ok("mirror", `${host} was not asked`);
  return warn("mirror", `${host} is passed over: ${message ?? state}`, "the next one, or the registry, is asked");
}

/** Reaches for the artifact as a mount would. Throws `usage` and `aborted`; all else is a check that failed. */
export async function registryChecks(context: Context, reference: string): Promise<RegistryChecks> {
  try {
    parseReference(reference);
    const order = await openOrderOf(context, reference, { noCache: true });
    await using artifact = await openOrdered(order, context);
    const layers = [...layersOf(await documentsOf(artifact)).values()];
    const checks: Check[] = [ok("artifact", artifact.reference), ...artifact.mirrors().map(mirrorCheck)];
    const { facts, failure } = await registryFacts(order, { artifact, layers, context, thorough: true });
    if (facts !== undefined) checks.push(...abilityChecks(facts));
    if (failure !== undefined) checks.push(warn("registry", failure.message, hintOf(failure)));
    return { checks };
  } catch (thrown) {
    const error = asRiffleError(thrown);
    if (error.code === "usage" || error.code === "aborted" || error.code === "internal") throw error;
    return { checks: [fail(NAMES[error.code] ?? "registry", error.message, hintOf(error))], error };
  }
}
