import { describe, expect, test } from "vitest";
import { memorySource } from "../../src/bytes/source.ts";
import { detectFormat } from "../../src/formats/detect.ts";
import { npyHeader } from "../../src/formats/npy/encode.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../support/expected.ts";
import { madeZip } from "../support/zip-file.ts";

const detect = async (bytes: Uint8Array): Promise<string | undefined> =>
  (await detectFormat(memorySource("m", bytes)))?.name;

describeFixtures("public files of arrays are known by their content", () => {
  test.each(["npy", "safetensors", "gguf", "hdf5", "netcdf-classic"])("%s", async (format) => {
    const units = expectedUnits(format).filter(([, { outcome }]) => outcome === "read" || format === "netcdf-classic");
    const found = await Promise.all(units.map(async ([path]) => [path, await detect(fixtureBytes(path))]));
    expect(found).toEqual(units.map(([path]) => [path, format]));
  });

  test.each([
    ["npyio/data_float64_corder.npz", "npz"],
    ["zarrita/v3/data.zipped_from_within.zarr.zip", "zarr"],
    ["zarrita/v3/data.zipped_from_parent.zarr.zip", "zarr"],
  ])("%s is %s", async (path, format) => {
    expect(await detect(fixtureBytes(path))).toBe(format);
  });
});

describe("archives", () => {
  test("of arrays are not those of texts", async () => {
    const content = npyHeader({ dtype: "|u1", shape: [0] });
    expect(await detect(madeZip([{ name: "a.npy", content }]))).toBe("npz");
    expect(await detect(madeZip([{ name: "a.txt", content }]))).not.toBe("npz");
  });
});
