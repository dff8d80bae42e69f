import type { IncomingMessage } from "node:http";
import type { Offence, RegistryOptions, RequestKind } from "./options.ts";

/** More than any registry is known to bear from one client without a word. */
const MOST_AT_ONCE = 16;

/** What in a request some registry punishes (reference: docs/REGISTRIES.md). */
export function offencesOf(
  request: IncomingMessage,
  seen: {
    readonly kind: RequestKind;
    readonly atStorage: boolean;
    readonly concurrent: number;
    readonly options: RegistryOptions;
  },
): readonly Offence[] {
  const { kind, atStorage, concurrent, options } = seen;
  const { authorization, range, "accept-encoding": encoding } = request.headers;
  const isBlob = kind === "blob";
  const judged: readonly (readonly [Offence, boolean])[] = [
    ["credentials crossed origins", atStorage && authorization !== undefined],
    ["HEAD where it is refused", isBlob && request.method === "HEAD" && options.quirks?.headBlob !== undefined],
    ["a suffix or open range", range !== undefined && /^bytes=(-\d|\d+-$)/.test(range)],
    ["several ranges at once", range?.includes(",") === true],
    ["a range on a manifest", kind === "manifest" && range !== undefined],
    [
      "blob bytes asked for without Accept-Encoding: identity",
      isBlob && request.method === "GET" && encoding !== "identity",
    ],
    ["more than sixteen requests at once", concurrent > MOST_AT_ONCE],
  ];
  return judged.filter(([, guilty]) => guilty).map(([offence]) => offence);
}
