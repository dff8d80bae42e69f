import { expect, test } from "vitest";
import { ALWAYS_BYTES, ByteBudget } from "../../src/fetch/budget.ts";
import { createCostModel, frugalCost } from "../../src/fetch/cost.ts";

const MIB = 1024 * 1024;
const never = new AbortController().signal;

test("prefetch leaves a quarter to demand, and demand waits in order for what there is", async () => {
  const budget = new ByteBudget(16 * MIB);
  expect(budget.tryTake(12 * MIB)).toBe(true);
  expect(budget.tryTake(1)).toBe(false);
  await budget.take(4 * MIB, never);
  const order: string[] = [];
  const large = budget.take(8 * MIB, never).then(() => order.push("large"));
  const later = budget.take(2 * MIB, never).then(() => order.push("later"));
  await budget.take(ALWAYS_BYTES, never);
  expect(order).toEqual([]);
  budget.give(4 * MIB);
  await Promise.resolve();
  expect(order).toEqual([]);
  budget.give(6 * MIB);
  await large;
  budget.give(8 * MIB);
  await later;
  expect(order).toEqual(["large", "later"]);
  budget.give(9 * MIB);
  expect(budget.used).toBe(0);
});

test("what is larger than the budget goes alone; an abort while waiting frees the place", async () => {
  const budget = new ByteBudget(4 * MIB);
  await budget.take(10 * MIB, never);
  const controller = new AbortController();
  const waiting = budget.take(2 * MIB, controller.signal);
  const behind = budget.take(2 * MIB, never);
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "aborted" });
  budget.give(10 * MIB);
  await behind;
  expect(budget.used).toBe(2 * MIB);
});

test("a gap is worth the bytes that move while one waits, within bounds", () => {
  const cost = createCostModel();
  const first = cost.gapBytes();
  expect(first).toBe(1_000_000);
  const observe = (firstByteMs: number, bytesPerMs: number): void => {
    for (let count = 0; count < 40; count++) cost.observe({ firstByteMs, bytes: bytesPerMs * 100, bodyMs: 100 });
  };
  observe(20, 50_000);
  expect(cost.gapBytes()).toBeGreaterThan(990_000);
  expect(cost.gapBytes()).toBeLessThan(1_010_000);
  observe(0.5, 10_000);
  expect(cost.gapBytes()).toBe(64 * 1024);
  observe(200, 100_000);
  expect(cost.gapBytes()).toBe(2 * MIB);
  // Short bodies say nothing of the link.
  for (let count = 0; count < 40; count++) cost.observe({ firstByteMs: 200, bytes: 4096, bodyMs: 4096 });
  expect(cost.gapBytes()).toBe(2 * MIB);
  expect(frugalCost().gapBytes()).toBe(0);
});
