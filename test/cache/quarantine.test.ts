import { expect, test } from "vitest";
import { Arena } from "../../src/cache/arena.ts";
import { HEADER_WORDS, READER_WORDS } from "../../src/cache/arena-layout.ts";
import { Descriptors, type DescriptorOwner } from "../../src/cache/descriptors.ts";
import { Quarantine } from "../../src/cache/quarantine.ts";

const line = (reader: number): number => HEADER_WORDS + reader * READER_WORDS;

test("runs at once when no reader is inside, and else when those that were inside have left", async () => {
  const { words } = new Arena();
  const quarantine = new Quarantine(words);
  const done: string[] = [];
  quarantine.after(() => done.push("free"));
  expect(done).toEqual(["free"]);
  Atomics.add(words, line(5), 1);
  const left = new Promise<void>((resolve) => {
    quarantine.after(() => {
      done.push("left");
      resolve();
    });
  });
  expect([done, quarantine.waiting]).toEqual([["free"], 1]);
  // Who comes in later cannot have seen it, and is not waited for.
  Atomics.add(words, line(9), 1);
  Atomics.sub(words, line(5), 1);
  await left;
  expect([done, quarantine.waiting]).toEqual([["free", "left"], 0]);
});

test("two readers with one number hold it until both have left", async () => {
  const { words } = new Arena();
  const quarantine = new Quarantine(words);
  Atomics.add(words, line(0), 2);
  let released = false;
  const waited = new Promise<void>((resolve) => {
    quarantine.after(() => {
      released = true;
      resolve();
    });
  });
  Atomics.sub(words, line(0), 1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(released).toBe(false);
  Atomics.sub(words, line(0), 1);
  await waited;
});

test("who was idle longest gives up its descriptors, but not who a reader just used", () => {
  const given: string[] = [];
  const used = new Set<string>();
  const owner = (name: string): DescriptorOwner => ({
    giveUp: () => given.push(name),
    wasUsed: () => used.delete(name),
  });
  const descriptors = new Descriptors(6);
  const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(owner) as [
    DescriptorOwner,
    DescriptorOwner,
    DescriptorOwner,
    DescriptorOwner,
    DescriptorOwner,
  ]; // five names, five owners
  for (const one of [a, b, c]) descriptors.add(one, 2);
  descriptors.touch(a);
  used.add("b");
  descriptors.add(d, 2);
  expect([given, descriptors.open]).toEqual([["c"], 6]);
  descriptors.remove(a);
  descriptors.add(e, 2);
  expect([given, descriptors.open]).toEqual([["c"], 6]);
  for (const name of ["b", "d", "e"]) used.add(name);
  descriptors.add(c, 2);
  expect(descriptors.open).toBe(6);
  expect(given).toHaveLength(2);
});
