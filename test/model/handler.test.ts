import fc from "fast-check";
import { expect, test } from "vitest";
import { propertyRuns } from "../support/seed.ts";
import { ModelMount } from "./handler-model.ts";
import { anyEntry, anyStep, compatible } from "./handler-steps.ts";

test("a handler answers as a file system made of a map of paths does, reply by reply", { timeout: 120_000 }, () => {
  const types = { files: 0, links: 0 };
  fc.assert(
    fc.property(
      fc.array(anyEntry, { maxLength: 14 }),
      fc.boolean(),
      fc.array(anyStep, { minLength: 10, maxLength: 60 }),
      (given, hasLive, steps) => {
        const entries = compatible(given);
        types.files += entries.filter(({ kind }) => kind === "file").length;
        types.links += entries.filter(({ group }) => group !== undefined).length;
        const mount = new ModelMount(entries, hasLive);
        for (const doing of steps) mount.apply(doing);
      },
    ),
    propertyRuns({ numRuns: 200 }),
  );
  // The cases are not all of them empty trees.
  expect(Math.min(types.files, types.links)).toBeGreaterThan(0);
});
