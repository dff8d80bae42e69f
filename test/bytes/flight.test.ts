import { expect, test } from "vitest";
import { SingleFlight } from "../../src/bytes/flight.ts";

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("one run serves all who ask meanwhile; a later ask runs again", async () => {
  const flight = new SingleFlight<string, number>();
  let runs = 0;
  const job = async (): Promise<number> => {
    await tick();
    return ++runs;
  };
  expect(await Promise.all([flight.run("a", job), flight.run("a", job)])).toEqual([1, 1]);
  expect(await flight.run("a", job)).toBe(2);
  expect(flight.size).toBe(0);
});

test("a rejection reaches every waiter and is not kept", async () => {
  const flight = new SingleFlight<string, number>();
  const fail = async (): Promise<number> => {
    await tick();
    throw new Error("no");
  };
  const results = await Promise.allSettled([flight.run("a", fail), flight.run("a", fail)]);
  expect(results.map((r) => r.status)).toEqual(["rejected", "rejected"]);
  expect(await flight.run("a", async () => 7)).toBe(7);
});

test("an abort detaches one waiter alone; the last one stops the job", async () => {
  const flight = new SingleFlight<string, number>();
  let stopped = false;
  let finish: (value: number) => void = () => undefined;
  const job = (signal: AbortSignal): Promise<number> => {
    signal.addEventListener("abort", () => (stopped = true));
    return new Promise((resolve) => (finish = resolve));
  };
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  const first = flight.run("a", job, one.signal);
  const second = flight.run("a", job, two.signal);
  one.abort();
  await expect(first).rejects.toMatchObject({ code: "aborted" });
  expect(stopped).toBe(false);
  finish(3);
  expect(await second).toBe(3);
  const third = flight.run("b", job, three.signal);
  three.abort();
  await expect(third).rejects.toMatchObject({ code: "aborted" });
  expect(stopped).toBe(true);
  expect(flight.size).toBe(0);
});

test("who joins after the last one left starts anew", async () => {
  const flight = new SingleFlight<string, string>();
  const controller = new AbortController();
  const lost = flight.run("a", () => new Promise(() => undefined), controller.signal);
  controller.abort();
  await expect(lost).rejects.toMatchObject({ code: "aborted" });
  expect(await flight.run("a", async () => "new")).toBe("new");
});
