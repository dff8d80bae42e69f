import { RiffleError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../../oci/parse-json.ts";

export interface NamedConfig {
  readonly name: string;
  readonly config: JsonObject;
}

export function namedOf(value: unknown, what: string): NamedConfig {
  if (typeof value === "string") return { name: value, config: {} };
  const { name, configuration } = isJsonObject(value) ? value : {};
  if (typeof name !== "string") throw new RiffleError("malformed", `${what} of the Zarr array has no name`);
  return { name, config: configOf(configuration) };
}

/** What a codec is configured with; nothing is an empty object. */
export function configOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
