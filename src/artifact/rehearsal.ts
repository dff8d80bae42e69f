import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";
import { ByteBudget } from "../fetch/budget.ts";
import { blobSource } from "../fetch/blob.ts";
import { cachedSource } from "../fetch/cached-source.ts";
import { createCostModel } from "../fetch/cost.ts";
import { hedgedSource } from "../fetch/hedged-source.ts";
import { createHedges } from "../fetch/hedges.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../fetch/http.ts";
import { Limiter } from "../bytes/limiter.ts";
import type { Cache } from "../cache/cache.ts";

const CONTENT_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 16 * 1024;
const ID = "rehearsal";

/**
 * Reads a content that does not exist, by everything that lies between a file and a connection, so that the first reader of
 * a mount does not wait for code that has never run (half of a first read's time on a small machine). Touches neither
 * network nor disk: `cache` is one in memory.
 */
export async function rehearse(cache: Cache): Promise<void> {
  const blob = blobSource({
    client: stage,
    authorizer: { headers: () => Promise.resolve({}), challenged: () => Promise.resolve(false) },
    url: new URL(`http://${ID}.invalid/`),
    id: ID,
    size: CONTENT_BYTES,
  });
  const entry = cache.open(ID, CONTENT_BYTES);
  const source = cachedSource({
    source: hedgedSource(blob, { hedges: createHedges() }),
    entry,
    limiter: new Limiter(8),
    budget: new ByteBudget(CONTENT_BYTES),
    cost: createCostModel(),
  });
  for (const reads of [scattered(3), scattered(8), run(4)]) {
    await Promise.all(reads.map((range, handle) => source.read(range, { handle })));
  }
  await source.close();
  entry.close();
}

/** Reads here and there, as those of several programs at once. */
function scattered(count: number): readonly ByteRange[] {
  return Array.from({ length: count }, (_, place) => {
    const start = Math.floor(((place + 1) * CONTENT_BYTES) / (count + 1) / PAGE_BYTES) * PAGE_BYTES;
    return { start, end: start + READ_BYTES };
  });
}

/** Reads one behind the other. */
function run(count: number): readonly ByteRange[] {
  return Array.from({ length: count }, (_, place) => ({ start: place * READ_BYTES, end: (place + 1) * READ_BYTES }));
}

/** Answers every range with zeros. */
const stage: HttpClient = {
  send: (_url: URL, { headers = {} }: HttpRequest): Promise<HttpResponse> => {
    const [first = 0, last = 0] = (headers["range"] ?? "").replace("bytes=", "").split("-").map(Number);
    const bytes = new Uint8Array(last + 1 - first);
    return Promise.resolve({
      status: 206,
      headers: { "content-range": `bytes ${first}-${last}/${CONTENT_BYTES}`, "content-length": String(bytes.length) },
      body: (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        yield bytes;
      })(),
      each: async (take) => {
        await take(bytes);
      },
      discard: () => undefined,
    });
  },
  close: () => Promise.resolve(),
};
