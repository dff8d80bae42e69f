import { expect, test } from "vitest";
import { createHedges, type Hedges } from "../../src/fetch/hedges.ts";

interface Clocked {
  readonly hedges: Hedges;
  readonly clock: { ms: number; refusals: number; told: number };
}

function clocked(): Clocked {
  const clock = { ms: 0, refusals: 0, told: 0 };
  const hedges = createHedges({
    now: () => clock.ms,
    refusals: () => clock.refusals,
    onHedge: () => void (clock.told += 1),
  });
  return { hedges, clock };
}

const spend = (hedges: Hedges, priority: "demand" | "prefetch" = "demand"): number => {
  let taken = 0;
  while (hedges.take(priority)) taken += 1;
  return taken;
};

test("late is four times the median time to a first byte, and never less than a second", () => {
  const { hedges } = clocked();
  expect(hedges.lateAfterMs()).toBe(2000);
  for (const ms of [5, 6, 7, 8]) hedges.observe(ms);
  expect(hedges.lateAfterMs()).toBe(1000);
  for (let i = 0; i < 64; i++) hedges.observe(i % 20 === 0 ? 30_000 : 400);
  expect(hedges.lateAfterMs()).toBe(1600);
});

test("eight at once, then one for twenty requests; what is read ahead leaves two", () => {
  const { hedges, clock } = clocked();
  expect(spend(hedges, "prefetch")).toBe(6);
  expect(spend(hedges)).toBe(2);
  for (let i = 0; i < 41; i++) hedges.sent();
  expect(spend(hedges)).toBe(2);
  for (let i = 0; i < 10_000; i++) hedges.sent();
  expect(spend(hedges)).toBe(8);
  expect(clock.told).toBe(18);
});

test("nothing for a minute after the registry said that it is asked too much", () => {
  const { hedges, clock } = clocked();
  clock.refusals = 1;
  expect(hedges.take("demand")).toBe(false);
  clock.ms = 59_999;
  expect(hedges.take("demand")).toBe(false);
  clock.ms = 60_001;
  expect(hedges.take("demand")).toBe(true);
  clock.refusals = 2;
  expect(hedges.take("demand")).toBe(false);
});

test("nothing ever where ranges are ignored", () => {
  const { hedges } = clocked();
  hedges.giveUp();
  expect(hedges.take("demand")).toBe(false);
});
