import { RiffleError, type ErrorCode } from "../errors.ts";
import type { HttpResponse } from "../fetch/http.ts";

/** The whole body, at most `limit` bytes; throws `code` (default `misbehaved`) for more, before more is read. */
export async function readBody(
  response: HttpResponse,
  options: { readonly limit: number; readonly what: string; readonly code?: ErrorCode },
): Promise<Uint8Array> {
  const { limit, what, code = "misbehaved" } = options;
  const tooLong = (): RiffleError => new RiffleError(code, `${what} is longer than ${limit} bytes`);
  if (Number(response.headers["content-length"] ?? 0) > limit) {
    response.discard();
    throw tooLong();
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > limit) throw tooLong();
    pieces.push(piece);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
