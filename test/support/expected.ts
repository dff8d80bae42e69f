import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { FIXTURES } from "./fixtures.ts";

/** What expected.json says of a unit: `format`, `outcome`, and facts by format (fixtures/README.md section 3). */
export interface ExpectedUnit {
  readonly format: string;
  readonly outcome: string;
  readonly why?: string;
  readonly [fact: string]: unknown;
}

/** All units by path, or those of one format; empty where there are no fixtures. */
export function expectedUnits(format?: string): readonly (readonly [path: string, unit: ExpectedUnit])[] {
  if (FIXTURES === undefined) return [];
  const { files } = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
    files: Readonly<Record<string, ExpectedUnit>>;
  };
  return Object.entries(files).filter(([, unit]) => format === undefined || unit.format === format);
}

export function fixturePath(path: string): string {
  return join(FIXTURES ?? "", path);
}

export function isFixtureFile(path: string): boolean {
  return statSync(fixturePath(path)).isFile();
}

/** The bytes of a unit that is one file. */
export function fixtureBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(fixturePath(path)));
}

/** Skips, and says so by name, where there are no fixtures. */
export function describeFixtures(name: string, body: () => void): void {
  describe.skipIf(FIXTURES === undefined)(name, () => {
    body();
  });
}
