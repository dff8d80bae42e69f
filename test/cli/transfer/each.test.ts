import { expect, test } from "vitest";
import { eachAtOnce } from "../../../src/cli/transfer/each.ts";

test("every item once, no more than the width at a time", async () => {
  let running = 0;
  let most = 0;
  const seen: number[] = [];
  const items = Array.from({ length: 20 }, (_, at) => at);
  const job = async (item: number): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    seen.push(item);
    running -= 1;
  };
  await eachAtOnce(items, job, { width: 3 });
  expect([seen.toSorted((a, b) => a - b), most]).toEqual([items, 3]);
});

test("the first failure stops the others and is thrown when they have ended", async () => {
  const ended: string[] = [];
  const job = async (item: string, signal: AbortSignal): Promise<void> => {
    if (item === "bad") throw new Error("bad one");
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    ended.push(item);
  };
  await expect(eachAtOnce(["slow", "bad", "never"], job, { width: 2 })).rejects.toThrow("bad one");
  expect(ended).toEqual(["slow"]);
});

test("an abort ends it with its reason", async () => {
  const stop = new AbortController();
  const started: number[] = [];
  const job = async (item: number): Promise<void> => {
    started.push(item);
    stop.abort(new Error("enough"));
    await Promise.resolve();
  };
  await expect(eachAtOnce([1, 2, 3], job, { width: 1, signal: stop.signal })).rejects.toThrow("enough");
  expect(started).toEqual([1]);
});
