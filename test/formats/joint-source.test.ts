import { expect, test } from "vitest";
import { jointSource } from "../../src/formats/joint-source.ts";
import { loggedSource } from "../support/logged-source.ts";

const CONTENT = Uint8Array.from({ length: 1000 }, (_, at) => at % 251);

test("calls of one turn are one call, and each gets its own bytes", async () => {
  const source = loggedSource(CONTENT);
  const joint = jointSource(source);
  const [a, b] = await Promise.all([
    joint.readMany([{ start: 10, end: 12 }]),
    joint.readMany([
      { start: 500, end: 501 },
      { start: 0, end: 1 },
    ]),
  ]);
  expect(source.calls).toEqual([
    [
      { start: 10, end: 12 },
      { start: 500, end: 501 },
      { start: 0, end: 1 },
    ],
  ]);
  expect([a, b].map((parts) => parts?.map((bytes) => [...bytes]))).toEqual([[[10, 11]], [[500 % 251], [0]]]);
  await joint.readMany([{ start: 1, end: 2 }]);
  expect(source.calls.length).toBe(2);
});

test("readers with signals of their own are not tied to each other, and a failure is of those who asked", async () => {
  const failing = {
    ...loggedSource(CONTENT),
    readMany: (_: unknown, options?: { readonly signal?: AbortSignal }) =>
      options?.signal === undefined ? Promise.reject(new Error("cut")) : Promise.resolve([new Uint8Array(1)]),
  };
  const joint = jointSource(failing);
  const { signal } = new AbortController();
  const outcomes = await Promise.allSettled([
    joint.readMany([{ start: 0, end: 1 }]),
    joint.readMany([{ start: 1, end: 2 }], { signal }),
    joint.readMany([{ start: 2, end: 3 }]),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected"]);
});
