import type { RiffleError } from "../../errors.ts";
import type { Context } from "../command.ts";
import type { Check } from "./check.ts";

export async function registryChecks(
  _context: Context,
  _reference: string,
): Promise<{ readonly checks: readonly Check[]; readonly error?: RiffleError }> {
  return { checks: [] };
}
