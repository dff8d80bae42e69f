import type { HttpResponse } from "../fetch/http.ts";
import { isJsonObject, parseJsonObject } from "../oci/parse-json.ts";
import { readBody } from "./body.ts";

/** The codes of a distribution error document, at most four; none when the body is anything else. Never throws for content. */
export async function errorCodes(response: HttpResponse, limit: number): Promise<readonly string[]> {
  if (!/json/i.test(response.headers["content-type"] ?? "json")) return [];
  try {
    const document = parseJsonObject(await readBody(response, { limit, what: "an error" }), "an error");
    const errors: readonly unknown[] = Array.isArray(document["errors"]) ? document["errors"] : [];
    const codes = errors.slice(0, 4).map((error) => (isJsonObject(error) ? error["code"] : undefined));
    return codes.filter((code): code is string => typeof code === "string" && /^[A-Z_]{1,64}$/.test(code));
  } catch {
    // The status has said what matters.
    return [];
  }
}
