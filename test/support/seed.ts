import fc from "fast-check";

/**
 * Property tests of the suite can be run again, longer or otherwise: RIFFLE_SEED is the seed that a failure names,
 * RIFFLE_PATH its path, RIFFLE_RUNS how many cases are tried. Without them each test has the seed and number that it names.
 */
const seed = wholeNumber("RIFFLE_SEED");
const numRuns = wholeNumber("RIFFLE_RUNS");
const path = process.env["RIFFLE_PATH"];

function wholeNumber(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  if (!/^-?\d{1,16}$/.test(text)) throw new Error(`${name} is not a whole number: ${text}`);
  return Number(text);
}

/** What `fc.assert` is given. A `seed` makes CI try the same cases each time; without one they differ, and are printed. */
export function propertyRuns(defaults: {
  readonly numRuns: number;
  readonly seed?: number;
}): Pick<fc.Parameters, "numRuns" | "seed" | "path"> {
  const used = seed ?? defaults.seed;
  return {
    numRuns: numRuns ?? defaults.numRuns,
    ...(used === undefined ? {} : { seed: used }),
    ...(path === undefined || path === "" ? {} : { path }),
  };
}

/** What the fuzz targets of the suite are run with. */
export function fuzzRuns(): { readonly seed: number; readonly runs: number } {
  return { seed: seed ?? 20_261_001, runs: numRuns ?? 200 };
}

/** For property tests that name neither. */
export function configureProperties(): void {
  fc.configureGlobal({
    ...(seed === undefined ? {} : { seed }),
    ...(numRuns === undefined ? {} : { numRuns }),
    ...(path === undefined || path === "" ? {} : { path }),
  });
}
