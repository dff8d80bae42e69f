import { expect, test } from "vitest";
import { RiffleError } from "../../src/errors.ts";
import { withRetries } from "../../src/fetch/retry.ts";

test("a machine that slept for a day tries a broken connection again", async () => {
  let wall = 1e12;
  let tries = 0;
  await withRetries(
    async () => {
      tries += 1;
      if (tries > 1) return;
      wall += 86_400_000;
      throw new RiffleError("unreachable", "the connection is gone");
    },
    { what: "a test", now: () => wall, sleep: async () => undefined },
  );
  expect(tries).toBe(2);
});

test("the time limit is one of waking hours", async () => {
  let elapsed = 0;
  let tries = 0;
  const failing = withRetries(
    async () => {
      tries += 1;
      elapsed += 40_000;
      throw new RiffleError("unreachable", "the connection is gone");
    },
    { what: "a test", elapsed: () => elapsed, sleep: async () => undefined },
  );
  await expect(failing).rejects.toMatchObject({ code: "unreachable" });
  expect(tries).toBe(2);
});
