import { expect, test } from "vitest";
import { extentRanges } from "../../../src/formats/extents.ts";
import { las } from "../../../src/formats/las/module.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

function record(user: string, id: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(54);
  header.write(user, 2);
  header.writeUInt16LE(id, 18);
  header.writeUInt16LE(payload.length, 20);
  return Buffer.concat([header, payload]);
}

interface Sample {
  readonly minor?: number;
  readonly records?: readonly Buffer[];
  readonly format?: number;
  readonly points?: number;
  readonly body?: Uint8Array;
}

function lasFile({ minor = 4, records = [], format = 6, points = 10, body = Buffer.alloc(300) }: Sample = {}): Buffer {
  const headerBytes = minor === 4 ? 375 : 227;
  const header = Buffer.alloc(headerBytes);
  const all = Buffer.concat(records);
  header.write("LASF");
  header[24] = 1;
  header[25] = minor;
  header.write("a scanner", 26);
  header.write("a program", 58);
  header.writeUInt16LE(12, 90);
  header.writeUInt16LE(2026, 92);
  header.writeUInt16LE(headerBytes, 94);
  header.writeUInt32LE(headerBytes + all.length, 96);
  header.writeUInt32LE(records.length, 100);
  header[104] = format;
  header.writeUInt16LE(30, 105);
  if (minor === 4) header.writeBigUInt64LE(BigInt(points), 247);
  else header.writeUInt32LE(points, 107);
  for (const axis of [0, 1, 2]) {
    header.writeDoubleLE(0.01, 131 + axis * 8);
    header.writeDoubleLE(axis + 100, 179 + axis * 16);
    header.writeDoubleLE(axis, 187 + axis * 16);
  }
  return Buffer.concat([header, all, body]);
}

const geoKeys = Buffer.from(Uint16Array.from([1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32_631]).buffer);

/** Two nodes and one page below, behind 100 KB of points. */
function copcFile(edit: (info: Buffer) => void = () => undefined): Buffer {
  const pageStart = 375 + 54 + 160 + 100_000;
  const info = Buffer.alloc(160);
  info.writeDoubleLE(5, 24);
  info.writeBigUInt64LE(BigInt(pageStart), 40);
  info.writeBigUInt64LE(96n, 48);
  edit(info);
  const page = Buffer.alloc(96);
  for (const [row, [level, start, bytes, points]] of [
    [0, 589, 40_000, 500],
    [1, 40_589, 60_000, 700],
    [2, 100_589, 32, -1],
  ].entries() as IterableIterator<[number, [number, number, number, number]]>) {
    page.writeInt32LE(level, row * 32);
    page.writeBigUInt64LE(BigInt(start), row * 32 + 16);
    page.writeInt32LE(bytes, row * 32 + 24);
    page.writeInt32LE(points, row * 32 + 28);
  }
  return lasFile({
    records: [record("copc", 1, info)],
    format: 0x80 | 6,
    body: Buffer.concat([Buffer.alloc(100_000), page]),
  });
}

test.each([2, 4])("version 1.%i, uncompressed", async (minor) => {
  const source = loggedSource(lasFile({ minor, records: [record("LASF_Projection", 34_735, geoKeys)] }));
  const { title, facts, notes } = await las.info(source);
  expect([title, notes, source.requests()]).toEqual(["LAS point cloud", [], 1]);
  expect(facts).toMatchObject({
    version: `1.${minor}`,
    points: 10,
    pointFormat: 6,
    compression: "none",
    min: [0, 1, 2],
    max: [100, 101, 102],
    system: "a scanner",
    software: "a program",
    created: "day 12 of 2026",
    crs: "EPSG:32631",
    records: [{ user: "LASF_Projection", id: 34_735, bytes: 24 }],
  });
  expect((await las.extents?.(source))?.count).toBe(0);
});

test("WKT names the system", async () => {
  const wkt = Buffer.from('COMPD_CS["NAD83 / UTM 10N + height",PROJCS["x"]]');
  const { facts } = await las.info(loggedSource(lasFile({ records: [record("LASF_Projection", 2112, wkt)] })));
  expect(facts["crs"]).toBe("NAD83 / UTM 10N + height");
});

test("LAZ that is no COPC, and points that are not there", async () => {
  expect((await las.info(loggedSource(lasFile({ format: 0x83 })))).notes.join()).toContain("not COPC");
  expect((await las.info(loggedSource(lasFile({ points: 2 ** 40 })))).notes.join()).toContain("cut short");
});

test("COPC: hierarchy in a second request, nodes are extents", async () => {
  const source = loggedSource(copcFile());
  const { title, facts } = await las.info(source);
  expect([title, source.requests(), source.bytes()]).toEqual(["COPC point cloud", 2, 64 * 1024 + 96]);
  expect(facts["copc"]).toMatchObject({ halfSize: 5, nodesInRootPage: 2, pagesBelow: 1, levels: 2 });
  const table = await las.extents?.(source);
  expect(table === undefined ? [] : extentRanges(table)).toEqual([
    { start: 589, end: 40_589 },
    { start: 40_589, end: 100_589 },
    { start: 100_589, end: 100_685 },
  ]);
});

test.each([
  ["a hierarchy behind the end", copcFile((info) => info.writeBigUInt64LE(2n ** 40n, 40)), "malformed"],
  ["a hierarchy of 2^63 bytes", copcFile((info) => info.writeBigUInt64LE(2n ** 63n, 48)), "malformed"],
  [
    "a record that reaches into the points",
    (() => {
      const bytes = lasFile({ records: [record("x", 1, Buffer.alloc(4))] });
      bytes.writeUInt16LE(60_000, 375 + 20);
      return bytes;
    })(),
    "malformed",
  ],
  [
    "version 2.0",
    (() => {
      const bytes = lasFile();
      bytes[24] = 2;
      return bytes;
    })(),
    "unsupported",
  ],
  [
    "points before the header's end",
    (() => {
      const bytes = lasFile();
      bytes.writeUInt32LE(10, 96);
      return bytes;
    })(),
    "malformed",
  ],
  ["a magic alone", Buffer.from("LASF"), "malformed"],
])("%s is refused", async (_, bytes, code) => {
  await expect(las.info(loggedSource(bytes))).rejects.toMatchObject({ code });
});

test("2^32 - 1 records are not waited for", async () => {
  const bytes = lasFile({ records: [record("x", 1, Buffer.alloc(4))], body: Buffer.alloc(5_000_000) });
  bytes.writeUInt32LE(0xffffffff, 100);
  bytes.writeUInt32LE(5_000_000, 96);
  const source = loggedSource(bytes);
  expect((await las.info(source)).notes.join()).toContain("records were looked at");
  expect(source.requests()).toBeLessThanOrEqual(4);
});

test("damage ends in an error of ours or in facts", async () => {
  await surviveDamage(copcFile(), (source) => las.info(source), { seed: 5, rounds: 300, within: 700 });
  await surviveDamage(copcFile(), (source) => las.extents?.(source) ?? Promise.resolve(), {
    seed: 6,
    rounds: 300,
    within: 700,
  });
});
