import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BlobLocation } from "../../src/fetch/location.ts";

const registry = new URL("http://registry.test/v2/x/blobs/sha256:aa");
const { signal } = new AbortController();
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("where the registry redirects, others wait for the first answer, and not for one that is late", async () => {
  const location = new BlobLocation(registry, { now: () => 0, habits: { givesRanges: false } });
  const first = await location.start(signal);
  let answered: URL | undefined;
  const second = location.start(signal).then(({ url, found }) => {
    answered = url;
    return found;
  });
  await vi.advanceTimersByTimeAsync(900);
  expect(answered).toBeUndefined();
  await vi.advanceTimersByTimeAsync(200);
  expect(answered?.href).toBe(registry.href);
  expect(await second).toBeUndefined();

  // In time it is what they use.
  const third = location.start(signal);
  const target = new URL("http://storage.test/aa?sig=1");
  location.remember(target, "part");
  first.found?.();
  expect((await third).url.href).toBe(target.href);
});

test("an abort ends the waiting at once", async () => {
  const location = new BlobLocation(registry, { now: () => 0, habits: { givesRanges: false } });
  await location.start(signal);
  const controller = new AbortController();
  const waiting = location.start(controller.signal).catch((error: unknown) => error);
  controller.abort();
  expect(await waiting).toMatchObject({ code: "aborted" });
  expect(vi.getTimerCount()).toBe(0);
});
