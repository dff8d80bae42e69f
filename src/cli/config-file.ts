import { readFileSync } from "node:fs";
import { RiffleError } from "../errors.ts";
import { asRiffleError } from "./exit.ts";
import { parseFileSettings, type FileSettings } from "./settings.ts";

const MOST_BYTES = 1024 * 1024;

/** The configuration file; undefined when there is none. Throws `usage` when it is not what its schema says. */
export function readConfigFile(path: string): FileSettings | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const known = asRiffleError(error);
    if (known.code === "not-found") return undefined;
    throw known;
  }
  if (text.length > MOST_BYTES) throw new RiffleError("usage", `${path}: larger than 1 MiB`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new RiffleError("usage", `${path}: not JSON`, { cause: error, hint: "docs/config.schema.json describes it" });
  }
  return parseFileSettings(document, path);
}
