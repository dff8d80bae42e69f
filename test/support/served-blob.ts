import { afterEach } from "vitest";
import type { ByteRange } from "../../src/bytes/range.ts";
import type { StreamingSource } from "../../src/bytes/source.ts";
import { blobSource, type BlobTarget } from "../../src/fetch/blob.ts";
import { createHttpClient } from "../../src/fetch/http-client.ts";
import { anonymous, countingMeter, type Moved } from "./counting-meter.ts";
import { patternBytes, rangeServer, type RangeServer, type RangeServerOptions, type Seen } from "./range-server.ts";

/** What the servers of these tests hold. */
export const CONTENT: Uint8Array = patternBytes(300_000);

const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A server of `content` that ends with its test. */
export async function serve(options: RangeServerOptions = {}, content: Uint8Array = CONTENT): Promise<RangeServer> {
  const server = await rangeServer(content, options);
  open.push(async () => server[Symbol.asyncDispose]());
  return server;
}

/** The blob of `server`, with waits that take no time. */
export function blobOf(
  server: RangeServer,
  more: Partial<BlobTarget> = {},
): StreamingSource & { readonly moved: Moved } {
  const moved = countingMeter();
  const client = createHttpClient({ meter: moved });
  open.push(() => client.close());
  const made = blobSource({
    client,
    authorizer: anonymous,
    url: server.url,
    id: "sha256:x",
    size: CONTENT.length,
    meter: moved,
    sleep: () => Promise.resolve(),
    random: () => 0.5,
    ...more,
  });
  return Object.assign(made, { moved });
}

export function slice({ start, end }: ByteRange): Uint8Array {
  return CONTENT.slice(start, end);
}

type Headers = Readonly<Record<string, string | number>>;

/** Answers with these headers and these bytes, as they are. */
export function raw(seen: Seen, status: number, headers: Headers, body: Uint8Array | string = ""): void {
  seen.response.writeHead(status, headers);
  seen.response.end(body);
}

/** A 206 that claims to be what was asked. */
export function part(seen: Seen, body: Uint8Array, headers: Headers = {}): void {
  const { start, end } = seen.range;
  raw(seen, 206, { "content-range": `bytes ${start}-${end - 1}/${CONTENT.length}`, ...headers }, body);
}
