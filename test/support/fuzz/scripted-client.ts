import type { HttpClient, HttpResponse } from "../../../src/fetch/http.ts";
import { headerOf } from "./target.ts";

interface ScriptedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Between two answers of a script. */
export const NEXT = "\n%%%\n";
/** More requests than any honest exchange takes; beyond them a client goes round in circles. */
const MOST_REQUESTS = 3000;

/** `STATUS`, a line for each header, an empty line, the body. */
export function scriptOf(input: Uint8Array): readonly ScriptedAnswer[] {
  return headerOf(input)
    .split(NEXT)
    .map((text) => {
      const end = text.indexOf("\n\n");
      const [status = "", ...lines] = (end < 0 ? text : text.slice(0, end)).split("\n");
      const headers: Record<string, string> = {};
      for (const line of lines) {
        const colon = line.indexOf(":");
        if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
      const code = Number.parseInt(status, 10);
      return {
        status: code >= 100 && code < 600 ? code : 200,
        headers,
        body: new Uint8Array(Buffer.from(end < 0 ? "" : text.slice(end + 2), "latin1")),
      };
    });
}

export function answerText(status: number, headers: Readonly<Record<string, string>>, body: string): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[status, ...lines].join("\n")}\n\n${body}`;
}

/**
 * Gives the answers one after the other, and begins anew. Throws an error that is none of ours where credentials go to
 * another origin than `home`, but for what the token server is asked.
 */
export function scriptedClient(answers: readonly ScriptedAnswer[], home: string): HttpClient {
  let sent = 0;
  return {
    send: async (url, { headers = {}, kind }) => {
      if (headers["authorization"] !== undefined && kind !== "token" && url.origin !== home)
        throw new Error(`credentials went to ${url.origin}`);
      const answer = answers[sent % answers.length] ?? { status: 200, headers: {}, body: new Uint8Array(0) };
      sent += 1;
      if (sent > MOST_REQUESTS) throw new Error("requests without end");
      return responseOf(answer);
    },
    close: async () => {},
  };
}

function responseOf({ status, headers, body }: ScriptedAnswer): HttpResponse {
  const half = Math.floor(body.length / 2);
  const pieces = [body.slice(0, half), body.slice(half)].filter((piece) => piece.length > 0);
  return {
    status,
    headers,
    body: (async function* give() {
      yield* pieces;
    })(),
    each: async (take) => {
      for (const piece of pieces) await take(piece);
    },
    discard: () => {},
  };
}
