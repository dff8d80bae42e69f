import { expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { extentRanges } from "../../../src/formats/extents.ts";
import { netcdfClassic } from "../../../src/formats/netcdf-classic/module.ts";
import { surviveDamage } from "../../support/damage.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource } from "../../support/logged-source.ts";

const extentsOf = async (bytes: Uint8Array): Promise<unknown> =>
  extentRanges((await netcdfClassic.extents?.(memorySource("x", bytes))) ?? (undefined as never));

// expected.json refuses them all as HDF5; what they are is told, and only the broken one is refused.
describeFixtures("every netCDF classic unit", () => {
  test.each(expectedUnits("netcdf-classic"))("%s", async (path, unit) => {
    const source = loggedSource(fixtureBytes(path));
    if (path.endsWith("bad_cdf5_begin.nc")) {
      await expect(netcdfClassic.info(source)).rejects.toMatchObject({
        code: "malformed",
        message: /var_small begins/,
      });
      return;
    }
    const { facts } = await netcdfClassic.info(source);
    expect(unit.why).toBe(`netcdf-classic ${facts["version"] as string}: not HDF5; say so`);
    expect(source.requests()).toBe(1);
    await surviveDamage(fixtureBytes(path), (damaged) => netcdfClassic.info(damaged), { seed: 3, rounds: 200 });
    await surviveDamage(fixtureBytes(path), (damaged) => netcdfClassic.extents?.(damaged) ?? Promise.resolve(), {
      seed: 4,
      rounds: 200,
      within: 400,
    });
  });

  test("what ncdump shows of one is shown", async () => {
    const { facts, notes } = await netcdfClassic.info(
      memorySource("x", fixtureBytes("gdal/gdrivers/data/netcdf/profile.nc")),
    );
    expect(facts).toMatchObject({
      version: "CDF-1",
      records: 4,
      dimensions: [
        { name: "profile", length: 2 },
        { name: "record", length: 4, unlimited: true },
        { name: "station_max_width", length: 10 },
        { name: "foo_max_width", length: 10 },
      ],
      attributes: { Conventions: "CF-1.6", featureType: "profile" },
    });
    expect(facts["variables"]).toContainEqual({
      name: "profile",
      type: "int32",
      dimensions: ["profile"],
      shape: [2],
      bytes: 8,
    });
    expect(notes).toEqual(["record variables are interleaved: reading all of one of them touches every record"]);
  });
});

const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, at * 4);
  return bytes;
};
const name = (text: string): Buffer =>
  Buffer.concat([u32(text.length), Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, "\0"))]);

/** Two record variables of one int16 and one double each, three records, and a fixed one of 5 bytes. */
function sample(): Buffer {
  const dimensions = Buffer.concat([u32(0x0a, 2), name("time"), u32(0), name("n"), u32(5)]);
  const header = (begins: readonly number[]): Buffer =>
    Buffer.concat([
      Buffer.from("CDF\x01"),
      u32(3),
      dimensions,
      u32(0, 0),
      u32(0x0b, 3),
      Buffer.concat([name("s"), u32(1, 0, 0, 0, 3, 4, begins[0] ?? 0)]),
      Buffer.concat([name("d"), u32(1, 0, 0, 0, 6, 8, begins[1] ?? 0)]),
      Buffer.concat([name("b"), u32(1, 1, 0, 0, 1, 8, begins[2] ?? 0)]),
    ]);
  const { length } = header([]);
  return Buffer.concat([header([length + 8, length + 12, length]), Buffer.alloc(8 + 3 * 12)]);
}

test("extents: fixed variables whole, record variables by record, padding apart", async () => {
  const bytes = sample();
  const h = bytes.length - 44;
  expect(await extentsOf(bytes)).toEqual(
    [
      [0, h],
      [h, h + 5],
      [h + 8, h + 10],
      [h + 12, h + 20],
      [h + 20, h + 22],
      [h + 24, h + 32],
      [h + 32, h + 34],
      [h + 36, h + 44],
    ].map(([start, end]) => ({ start, end })),
  );
});

test.each([
  ["a count of 2^32 dimensions", (b: Buffer) => b.writeUInt32BE(0xffffffff, 12)],
  ["a name of 2^31 bytes", (b: Buffer) => b.writeUInt32BE(0x80000000, 16)],
  ["a dimension that there is not", (b: Buffer) => b.writeUInt32BE(9, b.indexOf("s\0\0\0") + 8)],
  ["a type that is none", (b: Buffer) => b.writeUInt32BE(7, b.indexOf("s\0\0\0") + 20)],
  ["a variable inside the header", (b: Buffer) => b.writeUInt32BE(4, b.indexOf("b\0\0\0") + 28)],
])("%s is refused at once", async (_, edit) => {
  const bytes = sample();
  edit(bytes);
  const source = loggedSource(bytes);
  await expect(netcdfClassic.info(source)).rejects.toMatchObject({ code: "malformed" });
  expect(source.requests()).toBe(1);
});

test("2^32 - 2 records are not counted out", async () => {
  const bytes = sample();
  bytes.writeUInt32BE(0xfffffffe, 4);
  const source = memorySource("x", bytes);
  expect((await netcdfClassic.extents?.(source))?.count).toBe(2);
  expect((await netcdfClassic.info(source)).notes.join()).toContain("cut short");
});

test("a header longer than the first request", async () => {
  const many = Buffer.concat([
    Buffer.from("CDF\x02"),
    u32(0, 0, 0, 0x0c, 9000),
    ...Array.from({ length: 9000 }, (_, at) => Buffer.concat([name(`a${at}`), u32(4, 1, at)])),
    u32(0, 0),
  ]);
  const source = loggedSource(Buffer.concat([many, Buffer.alloc(10_000_000)]));
  const { facts } = await netcdfClassic.info(source);
  expect(Object.keys(facts["attributes"] ?? {}).length).toBe(9000);
  expect(source.requests()).toBe(3);
  expect(source.bytes()).toBe(256 * 1024);
});
