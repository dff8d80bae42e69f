import { isRiffleError, type RiffleError } from "../../errors.ts";
import type { Context } from "../command.ts";
import { asRiffleError, hintOf } from "../exit.ts";
import { documentsOf, layersOf } from "../manifests.ts";
import { openFor } from "../open.ts";
import { probeRegistry } from "./abilities.ts";
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

/** Reaches for the artifact as a mount would. Throws `usage` and `aborted`; all else is a check that failed. */
export async function registryChecks(context: Context, reference: string): Promise<RegistryChecks> {
  try {
    await using artifact = await openFor(context, reference, { noCache: true });
    const layers = [...layersOf(await documentsOf(artifact)).values()];
    const { facts, failures, referrers } = await probeRegistry(artifact, layers, context.signal);
    const checks: Check[] = [ok("registry", `answers; ${artifact.reference}`)];
    if (facts.ranges === "no") {
      const remedy = "a read fetches the whole layer once; a mirror that knows ranges helps";
      checks.push(warn("ranges", "the registry ignores ranges and sends whole layers", remedy));
    } else if (facts.ranges !== "failed") {
      checks.push(ok("ranges", facts.ranges === "yes" ? "parts of layers come alone" : "no layer to try"));
    }
    if (facts.referrers !== "failed") checks.push(ok("referrers", `${referrers.length} found`));
    for (const { message, hint } of failures) {
      checks.push(warn("registry", message, hint ?? "-vv shows the requests"));
    }
    return { checks };
  } catch (thrown) {
    const error = asRiffleError(thrown);
    if (error.code === "usage" || error.code === "aborted" || !isRiffleError(thrown)) throw error;
    return { checks: [fail(NAMES[error.code] ?? "registry", error.message, hintOf(error))], error };
  }
}
