import { expect, test } from "vitest";
import { Limiter } from "../../src/bytes/limiter.ts";

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Jobs that end when told to, and a record of the order in which they started. */
function bench(limiter: Limiter) {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const add = (name: string, options: Parameters<Limiter["run"]>[1] = {}): Promise<void> =>
    limiter.run(() => {
      started.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    }, options);
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await tick();
  };
  return { started, add, end };
}

test("never more than the limit; who waits is served by priority, then arrival", async () => {
  const limiter = new Limiter(1);
  const { started, add, end } = bench(limiter);
  const all = [
    add("running"),
    add("p1", { priority: "prefetch" }),
    add("d1"),
    add("d2"),
    add("m1", { priority: "metadata" }),
  ];
  await tick();
  expect([limiter.active, limiter.waiting]).toEqual([1, 4]);
  for (const name of ["running", "m1", "d1", "d2", "p1"]) await end(name);
  await Promise.all(all);
  expect(started).toEqual(["running", "m1", "d1", "d2", "p1"]);
  expect([limiter.active, limiter.waiting]).toEqual([0, 0]);
});

test("prefetch leaves the reserve to demand", async () => {
  const { started, add, end } = bench(new Limiter(3, { reserve: 1 }));
  const jobs = [1, 2, 3].map((n) => add(`p${n}`, { priority: "prefetch" }));
  await tick();
  expect(started).toEqual(["p1", "p2"]);
  jobs.push(add("d"));
  await tick();
  expect(started).toEqual(["p1", "p2", "d"]);
  for (const name of ["d", "p1", "p2", "p3"]) await end(name);
  await Promise.all(jobs);
});

test("an aborted waiter leaves the queue; a failed job frees its slot", async () => {
  const limiter = new Limiter(1);
  const { add, end } = bench(limiter);
  const running = add("a");
  const controller = new AbortController();
  const waiting = add("b", { signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "aborted" });
  expect(limiter.waiting).toBe(0);
  await end("a");
  await running;
  await expect(limiter.run(() => Promise.reject(new Error("x")))).rejects.toThrow("x");
  expect(limiter.active).toBe(0);
});
