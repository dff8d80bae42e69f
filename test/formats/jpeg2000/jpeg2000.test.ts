import { expect, test } from "vitest";
import { extentRanges, type ExtentTable } from "../../../src/formats/extents.ts";
import { jpeg2000 } from "../../../src/formats/jpeg2000/module.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

const u16 = (...values: readonly number[]): Buffer => Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));
const u32 = (...values: readonly number[]): Buffer =>
  Buffer.concat(values.map((value) => u16(value >>> 16, value & 0xffff)));
const marker = (code: number, body: Uint8Array): Buffer => Buffer.concat([u16(code, body.length + 2), body]);
const box = (type: string, body: Uint8Array): Buffer => Buffer.concat([u32(body.length + 8), Buffer.from(type), body]);
const ranges = (table: ExtentTable | undefined): unknown => (table === undefined ? [] : extentRanges(table));

interface Sample {
  readonly partBytes?: number;
  readonly table?: boolean;
  readonly size?: readonly number[];
}

/** 300 x 200 pixels in tiles of 100 x 100: six parts. */
function codestream({ partBytes = 1000, table = false, size = [300, 200, 0, 0, 100, 100, 0, 0] }: Sample = {}): Buffer {
  const siz = marker(0xff51, Buffer.concat([u16(0), u32(...size), u16(3), Buffer.from([7, 1, 1, 7, 1, 1, 7, 1, 1])]));
  const cod = marker(0xff52, Buffer.from([0, 2, 0, 4, 1, 5, 4, 4, 0, 1]));
  // Tile numbers of one byte, lengths of four.
  const rows = Array.from({ length: 6 }, (_, tile) => Buffer.concat([Buffer.from([tile]), u32(partBytes)]));
  const tlm = table ? marker(0xff55, Buffer.concat([Buffer.from([0, 0x50]), ...rows])) : Buffer.alloc(0);
  const parts = rows.map((_, tile) =>
    Buffer.concat([u16(0xff90, 10, tile), u32(partBytes), Buffer.from([0, 1]), Buffer.alloc(partBytes - 12)]),
  );
  return Buffer.concat([u16(0xff4f), siz, cod, tlm, ...parts, u16(0xffd9)]);
}

function jp2(stream: Uint8Array, between: Uint8Array = Buffer.alloc(0)): Buffer {
  const colr = box("colr", Buffer.concat([Buffer.from([1, 0, 0]), u32(16)]));
  return Buffer.concat([
    Buffer.from("\0\0\0\x0cjP  \r\n\x87\n", "latin1"),
    box("ftyp", Buffer.from("jp2 \0\0\0\0jp2 ")),
    box("jp2h", colr),
    box("uuid", Buffer.from("b14bf8bd083d4b43a5ae8cd7d5a6ce03", "hex")),
    between,
    box("jp2c", stream),
  ]);
}

test("a file in boxes", async () => {
  const source = loggedSource(jp2(codestream()));
  const { title, facts, notes } = await jpeg2000.info(source);
  expect([title, source.requests()]).toEqual(["JPEG 2000", 1]);
  expect(facts).toEqual({
    width: 300,
    height: 200,
    components: 3,
    type: "uint8",
    colour: "sRGB",
    tileWidth: 100,
    tileHeight: 100,
    tiles: 6,
    tileParts: 6,
    tileLengths: false,
    resolutions: 6,
    qualityLayers: 4,
    progression: "RPCL",
    lossless: true,
    brand: "jp2",
    georeference: "GeoJP2",
  });
  expect(notes).toEqual(["no table of tile lengths (TLM): tiles are found one after the other"]);
});

test("a bare codestream, and one behind a large box", async () => {
  expect((await jpeg2000.info(loggedSource(codestream()))).title).toBe("JPEG 2000 codestream");
  const source = loggedSource(jp2(codestream(), box("xml ", Buffer.alloc(1_000_000))));
  expect((await jpeg2000.info(source)).facts).toMatchObject({ tiles: 6, tileParts: 6 });
  expect(source.bytes()).toBeLessThan(100_000);
});

test("with a table all tile parts are extents at once", async () => {
  const bytes = codestream({ table: true, partBytes: 100_000 });
  const source = loggedSource(bytes);
  const first = bytes.length - 2 - 600_000;
  expect(ranges(await jpeg2000.extents?.(source))).toEqual(
    [0, 1, 2, 3, 4, 5].map((at) => ({ start: first + at * 100_000, end: first + (at + 1) * 100_000 })),
  );
  expect([source.requests(), (await jpeg2000.info(source)).facts["tileLengths"]]).toEqual([1, true]);
});

test("without one, those that two requests show; info looks at more, and says when not at all", async () => {
  const source = loggedSource(codestream({ partBytes: 100_000 }));
  expect((await jpeg2000.extents?.(source))?.count).toBe(2);
  expect(source.requests()).toBe(2);
  expect((await jpeg2000.info(source)).facts["tileParts"]).toBe(6);
});

test.each([
  ["tiles of no size", codestream({ size: [300, 200, 0, 0, 0, 100, 0, 0] })],
  ["an image of no size", codestream({ size: [0, 200, 0, 0, 100, 100, 0, 0] })],
  [
    "a tile part of two bytes",
    (() => {
      const bytes = codestream();
      bytes.writeUInt32BE(2, bytes.indexOf(u16(0xff90, 10)) + 6);
      return bytes;
    })(),
  ],
  ["no codestream", jp2(codestream()).subarray(0, 70)],
  ["a header that ends", codestream().subarray(0, 60)],
  [
    "a box of two bytes",
    Buffer.concat([Buffer.from("\0\0\0\x0cjP  \r\n\x87\n", "latin1"), u32(2), Buffer.from("ftypjp2 ")]),
  ],
])("%s is malformed", async (_, bytes) => {
  await expect(jpeg2000.info(loggedSource(bytes))).rejects.toMatchObject({ code: "malformed" });
});

test("2^32 - 1 pixels each way in tiles of one are only a number", async () => {
  const all = 2 ** 32 - 1;
  const { facts } = await jpeg2000.info(loggedSource(codestream({ size: [all, all, 0, 0, 1, 1, 0, 0] })));
  expect(facts).toMatchObject({ width: all, tiles: all * all });
});

test("damage ends in an error of ours or in facts", async () => {
  const options = { seed: 9, rounds: 500, within: 250 };
  await surviveDamage(jp2(codestream({ table: true })), (source) => jpeg2000.info(source), options);
  await surviveDamage(jp2(codestream()), (source) => jpeg2000.extents?.(source) ?? Promise.resolve(), options);
});
