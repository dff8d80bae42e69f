import { expect, test } from "vitest";
import { extentRanges } from "../../../src/formats/extents.ts";
import { grib2 } from "../../../src/formats/grib2/module.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

function section(number: number, bytes: number, edit: (view: DataView) => void = () => undefined): Buffer {
  const made = Buffer.alloc(bytes);
  made.writeUInt32BE(bytes, 0);
  made[4] = number;
  edit(new DataView(made.buffer, made.byteOffset, bytes));
  return made;
}

/** One field: temperature at 850 hPa, six hours on, on 3 x 2 points. */
function message(dataBytes: number, repeats = 1): Buffer {
  const identification = section(1, 21, (view) => {
    view.setUint16(5, 98);
    view.setUint16(12, 2026);
    for (const [at, value] of [2, 3, 4, 5, 6].entries()) view.setUint8(14 + at, value);
  });
  const grid = section(3, 72, (view) => {
    view.setUint32(6, 6);
    view.setUint32(30, 3);
    view.setUint32(34, 2);
  });
  const field = Buffer.concat([
    section(4, 34, (view) => {
      view.setUint8(17, 1);
      view.setUint32(18, 6);
      view.setUint8(22, 100);
      view.setUint8(23, 0x82);
      view.setUint32(24, 850);
    }),
    section(5, 21, (view) => view.setUint16(9, 40)),
    section(6, 6),
    section(7, 5 + dataBytes),
  ]);
  const body = Buffer.concat([
    identification,
    grid,
    ...Array.from({ length: repeats }, () => field),
    Buffer.from("7777"),
  ]);
  const indicator = Buffer.alloc(16);
  indicator.write("GRIB");
  indicator[7] = 2;
  indicator.writeBigUInt64BE(BigInt(16 + body.length), 8);
  return Buffer.concat([indicator, body]);
}

test("a field is told in words", async () => {
  const source = loggedSource(message(100));
  const { facts, notes, title } = await grib2.info(source);
  expect(title).toBe("GRIB edition 2");
  expect(facts).toMatchObject({ messages: 1, editions: [2] });
  expect(facts["fields"]).toEqual([
    {
      message: 1,
      offset: 0,
      bytes: message(100).length,
      centre: 98,
      time: "2026-02-03T04:05:06Z",
      grid: "latitude/longitude",
      width: 3,
      height: 2,
      parameter: "0.0.0",
      forecast: 6,
      forecastUnit: 1,
      surface: 100,
      // A scale factor of -2, with its sign in the highest bit.
      level: 85_000,
      packing: "JPEG 2000",
    },
  ]);
  expect([notes, source.requests()]).toEqual([[], 1]);
});

test("many small messages take one request, large ones are skipped over, one small request each", async () => {
  const small = loggedSource(Buffer.concat(Array.from({ length: 50 }, () => message(100))));
  expect((await grib2.info(small)).facts).toMatchObject({ messages: 50 });
  expect(small.requests()).toBe(1);
  const large = loggedSource(Buffer.concat(Array.from({ length: 5 }, () => message(300_000))));
  expect((await grib2.info(large)).facts).toMatchObject({ messages: 5 });
  expect(large.requests()).toBe(5);
  expect(large.bytes()).toBe(64 * 1024 + 4 * 8 * 1024);
});

test("the number of round trips is bounded, and what was not seen is said", async () => {
  const source = loggedSource(Buffer.concat(Array.from({ length: 60 }, () => message(70_000))));
  const { facts, notes } = await grib2.info(source);
  expect(facts["messagesSeen"]).toBeGreaterThanOrEqual(31);
  expect(notes.join()).toContain("no index");
  expect(source.calls.length).toBeLessThanOrEqual(32);
});

test("extents are messages, as far as two requests show", async () => {
  const each = message(70_000);
  const source = loggedSource(Buffer.concat([each, each, each, each]));
  const table = await grib2.extents?.(source);
  expect(table === undefined ? [] : extentRanges(table)).toEqual(
    [0, 1].map((at) => ({ start: at * each.length, end: (at + 1) * each.length })),
  );
  expect(source.calls.length).toBe(2);
});

test("several fields in one message, and a heading before it", async () => {
  const source = loggedSource(Buffer.concat([Buffer.from("\r\r\n001 HTXX01 KWBC 010000\r\r\n"), message(10, 3)]));
  const { facts } = await grib2.info(source);
  expect([facts["messages"], (facts["fields"] as readonly unknown[]).length]).toEqual([1, 3]);
});

test("edition 1 is counted", async () => {
  const old = Buffer.from([...Buffer.from("GRIB"), 0, 0, 20, 1, ...Buffer.alloc(8), ...Buffer.from("7777")]);
  const { facts, notes } = await grib2.info(loggedSource(Buffer.concat([old, old])));
  expect(facts).toMatchObject({ messages: 2, editions: [1] });
  expect(notes).toEqual(["messages of edition 1 are only counted"]);
});

test.each([
  ["a message longer than the file", (b: Buffer) => b.writeBigUInt64BE(2n ** 40n, 8)],
  ["a message of 2^62 bytes", (b: Buffer) => b.writeBigUInt64BE(2n ** 62n, 8)],
  ["a message of no bytes", (b: Buffer) => b.writeBigUInt64BE(0n, 8)],
  ["a section of no bytes", (b: Buffer) => b.writeUInt32BE(0, 16)],
  ["a section of 4 GiB", (b: Buffer) => b.writeUInt32BE(0xffffffff, 16)],
])("%s is malformed", async (_, edit) => {
  const bytes = message(10);
  edit(bytes);
  await expect(grib2.info(loggedSource(bytes))).rejects.toMatchObject({ code: "malformed" });
});

test("damage ends in an error of ours or in facts", () =>
  surviveDamage(message(10, 2), (source) => grib2.info(source), { seed: 11, rounds: 1000 }));
