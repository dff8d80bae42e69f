import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { withOneListener } from "../../src/bytes/one-listener.ts";

test("the caller's signal has one listener while the work lasts, and ends it", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const work = withOneListener({ signal }, async (options) => {
    const waits = Array.from(
      { length: 50 },
      () => new Promise((resolve) => options?.signal?.addEventListener("abort", resolve)),
    );
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await Promise.all(waits);
    return options?.signal?.reason as unknown;
  });
  controller.abort("enough");
  expect(await work).toBe("enough");
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

test("a signal that was aborted before, and none at all", async () => {
  const signal = AbortSignal.abort("early");
  expect(await withOneListener({ signal }, async (options) => options?.signal)).toBe(signal);
  expect(await withOneListener(undefined, async (options) => options)).toBeUndefined();
});
