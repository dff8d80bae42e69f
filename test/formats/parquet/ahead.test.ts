import { expect, test } from "vitest";
import { ahead } from "../../../src/formats/parquet/ahead.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("results come in order; what is begun at once weighs no more than it may, and room is used again by halves", async () => {
  const begun: number[] = [];
  const results = ahead([1, 2, 3, 4, 5, 6, 7, 8], {
    weigh: () => 1,
    most: 4,
    // The first takes longest.
    run: async (item) => {
      begun.push(item);
      for (let left = 9 - item; left > 0; left -= 1) await turn();
      return item * 10;
    },
  });
  const seen: (readonly [number, number])[] = [];
  for await (const result of results) {
    await turn();
    seen.push([result, begun.length]);
  }
  expect(seen).toEqual([
    [10, 4],
    [20, 4],
    [30, 6],
    [40, 6],
    [50, 8],
    [60, 8],
    [70, 8],
    [80, 8],
  ]);
});

test("what is heavier than all that may be begun comes alone", async () => {
  let atWork = 0;
  let most = 0;
  const results = ahead([5, 9, 9, 1], {
    weigh: (item) => item,
    most: 6,
    run: async (item) => {
      atWork += 1;
      most = Math.max(most, atWork);
      await turn();
      return item;
    },
  });
  for await (const _ of results) atWork -= 1;
  expect(most).toBe(1);
});

test("a failure comes in its turn, also one of the items", async () => {
  const take = async (results: AsyncIterable<number>): Promise<readonly unknown[]> => {
    const out: unknown[] = [];
    try {
      for await (const result of results) out.push(result);
    } catch (error) {
      out.push((error as Error).message);
    }
    return out;
  };
  const how = { weigh: () => 1, most: 9 };
  const run = async (item: number): Promise<number> => {
    if (item === 2) throw new Error("two");
    return item;
  };
  expect(await take(ahead([1, 2, 3], { ...how, run }))).toEqual([1, "two"]);
  async function* broken(): AsyncGenerator<number> {
    yield 1;
    await turn();
    throw new Error("no more");
  }
  expect(await take(ahead(broken(), { ...how, run }))).toEqual([1, "no more"]);
});

test("when the reading ends early nothing more is begun, and the items are told", async () => {
  const begun: number[] = [];
  let isClosed = false;
  function* items(): Generator<number> {
    try {
      for (let item = 0; item < 100; item += 1) yield item;
    } finally {
      isClosed = true;
    }
  }
  const run = async (item: number): Promise<number> => begun.push(item);
  for await (const _ of ahead(items(), { weigh: () => 1, most: 2, run })) break;
  await turn();
  expect(begun.length).toBeLessThanOrEqual(3);
  expect(isClosed).toBe(true);
});
