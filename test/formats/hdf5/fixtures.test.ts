import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { ArrayReader } from "../../../src/formats/array.ts";
import { hdf5 } from "../../../src/formats/hdf5/module.ts";
import { readAll, type WholeArray } from "../../support/arrays.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";

interface ExpectedDataset {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly chunks: readonly number[] | null;
  readonly sha256?: string;
  readonly kind?: string;
  readonly offset?: number;
  readonly bytes?: number;
}

const open = async (source: LoggedSource): Promise<ArrayReader> => {
  if (hdf5.array === undefined) throw new Error("no reader");
  return hdf5.array(source);
};

function digest({ data, strings, dtype, shape }: WholeArray): string {
  const hash = createHash("sha256");
  // The truth has a single text without the zeros behind it.
  if (dtype.startsWith("|S") && shape.length === 0)
    return hash.update(data.subarray(0, Math.max(1, [...data, 0].indexOf(0)))).digest("hex");
  if (dtype !== "|O") return hash.update(data).digest("hex");
  for (const text of strings) hash.update(`x${Buffer.from(text ?? "").toString("hex")}\n`);
  return hash.digest("hex");
}

describeFixtures("public HDF5 files", () => {
  test.each(expectedUnits("hdf5"))("%s", async (path, unit) => {
    const bytes = fixtureBytes(path);
    const source = loggedSource(bytes);
    if (unit.outcome === "refuse") {
      await expect(open(source)).rejects.toMatchObject({ code: "malformed" });
      return;
    }
    await using reader = await open(source);
    const datasets = Object.entries(unit["datasets"] as Readonly<Record<string, ExpectedDataset>>);
    expect(reader.metadata.arrays.map(({ name }) => `/${name}`).toSorted()).toEqual(
      datasets.map(([name]) => name).toSorted(),
    );
    for (const [name, expected] of datasets) {
      const info = reader.metadata.arrays.find((one) => `/${one.name}` === name);
      expect([name, info?.shape]).toEqual([name, expected.shape]);
      if (expected.sha256 === undefined) {
        continue;
      }
      if (expected.offset !== undefined && !expected.dtype.startsWith("obj") && expected.bytes) {
        const { ranges } = await reader.plan({ name });
        expect([name, ranges.map(({ range }) => range)]).toEqual([
          name,
          [{ start: expected.offset, end: expected.offset + expected.bytes }],
        ]);
      }
      expect([name, digest(await readAll(reader, { name }))]).toEqual([name, expected.sha256]);
    }
  });

  test.each(expectedUnits("netcdf-classic"))("%s is not HDF5", async (path) => {
    await expect(open(loggedSource(fixtureBytes(path)))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/CDF-\d.*not HDF5/),
    });
  });
});
