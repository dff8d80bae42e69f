import { RiffleError } from "../../errors.ts";
import { eraseCredential } from "../../registry/store-credential.ts";
import type { Run } from "../command.ts";
import { credentialPlacesOf } from "../open.ts";
import { parseHost } from "./login.ts";

export const run: Run = async ([text = ""], _flags, context) => {
  const host = parseHost(text);
  const { out, settings, environment } = context;
  const erased = await eraseCredential(host, { places: credentialPlacesOf(context), env: environment });
  if (!erased) throw new RiffleError("not-found", `not logged in to ${host}`, { hint: "riffle login HOST logs in" });
  if (settings.json) await out.line(JSON.stringify({ host }));
  else await out.line(`logged out of ${host}`);
  return 0;
};
