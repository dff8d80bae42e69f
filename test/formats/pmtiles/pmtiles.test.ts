import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { tileIdToZxy } from "pmtiles";
import { expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { openArchive } from "../../../src/formats/pmtiles/archive.ts";
import { pmtiles } from "../../../src/formats/pmtiles/module.ts";
import { readTile } from "../../../src/formats/pmtiles/tile.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

interface ExpectedTile {
  readonly z: number;
  readonly x: number;
  readonly y: number;
  readonly bytes: number;
  readonly sha256: string;
}

describeFixtures("every PMTiles unit", () => {
  test.each(expectedUnits("pmtiles"))("%s", async (path, unit) => {
    const source = loggedSource(fixtureBytes(path));
    if (unit.outcome === "refuse") {
      await expect(pmtiles.info(source)).rejects.toMatchObject({ code: "malformed", message: /not a PMTiles/ });
      return;
    }
    const { facts } = await pmtiles.info(source);
    expect(source.requests()).toBe(1);
    const header = unit["header"] as Readonly<Record<string, number | boolean | string>>;
    expect(facts).toMatchObject({
      version: header["version"],
      clustered: header["clustered"],
      tiles: header["addressed_tiles_count"],
      tileEntries: header["tile_entries_count"],
      tileContents: header["tile_contents_count"],
      tileType: String(header["tile_type"]).toLowerCase(),
      tileCompression: String(header["tile_compression"]).toLowerCase(),
      internalCompression: String(header["internal_compression"]).toLowerCase(),
      zoom: [header["min_zoom"], header["max_zoom"]],
      tileBytes: header["tile_data_length"],
      bounds: ["min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7"].map((key) => Number(header[key]) / 1e7),
    });
    const stored = fixtureBytes(path).subarray(
      Number(header["metadata_offset"]),
      Number(header["metadata_offset"]) + Number(header["metadata_length"]),
    );
    expect(stored.length).toBe(Number(header["metadata_length"]));
    const { root } = await openArchive(source);
    expect(root.length).toBe(header["tile_entries_count"]);
    const table = await pmtiles.extents?.(source);
    expect(table?.count).toBe(1 + Number(header["tile_contents_count"]));
    if (unit["mustNotEnumerate"] === true) return;
    const lines: string[] = [];
    for (const { tileId, runLength } of root) {
      for (let id = tileId; id < tileId + runLength; id += 1) {
        const [z, x, y] = tileIdToZxy(id);
        const tile = await readTile(source, { z, x, y });
        if (tile === undefined) throw new Error(`no tile ${z}/${x}/${y}`);
        lines.push(`${z}/${x}/${y} ${tile.bytes.length} ${sha256(tile.bytes)}\n`);
      }
    }
    expect(lines.length).toBe(unit["tiles"]);
    expect(sha256(Buffer.from(lines.join("")))).toBe(unit["tilesSha256"]);
    for (const { z, x, y, bytes, sha256: digest } of unit["some"] as readonly ExpectedTile[]) {
      const tile = await readTile(memorySource("x", fixtureBytes(path)), { z, x, y });
      expect([tile?.bytes.length, sha256(tile?.bytes ?? new Uint8Array())]).toEqual([bytes, digest]);
    }
  });

  test("a run of 2^32 - 1 tiles answers look-ups and is not counted out", async () => {
    const source = loggedSource(fixtureBytes("gdal/ogr/data/pmtiles/run_length_max.pmtiles"));
    const tiles = await Promise.all([0, 2 ** 15, 2 ** 16 - 1].map((x) => readTile(source, { z: 16, x, y: x })));
    expect(tiles.map((tile) => tile?.bytes.length)).toEqual([105, 105, 105]);
    expect(await readTile(source, { z: 15, x: 0, y: 0 })).toBeUndefined();
  });

  test("a tile of a large archive takes two requests", async () => {
    const source = loggedSource(fixtureBytes("pmtiles/spec/v3/usgs-mt-whitney-8-15-webp-512.pmtiles"));
    expect(await readTile(source, { z: 8, x: 43, y: 100 })).toMatchObject({ encoding: "none", type: "webp" });
    expect([source.requests(), source.bytes()]).toEqual([2, 16_384 + 67_378]);
  });
});

const varint = (value: number): readonly number[] =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];

/** An archive of header and root directory; its tiles lie behind it, where nothing is. */
function archiveOf(directory: readonly number[], edit: (header: DataView) => void = () => undefined): Uint8Array {
  const root = gzipSync(Uint8Array.from(directory.flatMap(varint)));
  const bytes = Buffer.alloc(127 + root.length + 1000);
  bytes.write("PMTiles\x03");
  bytes.set(root, 127);
  bytes.writeBigUInt64LE(127n, 8);
  bytes.writeBigUInt64LE(BigInt(root.length), 16);
  bytes.writeBigUInt64LE(BigInt(127 + root.length), 40);
  bytes.writeBigUInt64LE(BigInt(127 + root.length), 56);
  bytes[97] = 2;
  edit(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return new Uint8Array(bytes);
}

test.each([
  ["a count of 2^50", archiveOf([2 ** 50, 1, 1, 1, 1]), "malformed"],
  ["a tile behind the end", archiveOf([1, 0, 1, 2 ** 40, 1]), "malformed"],
  ["a leaf that is itself", archiveOf([1, 0, 0, 30, 1]), "malformed"],
  ["a directory cut short", archiveOf([3, 0]), "malformed"],
  ["a first entry that follows nothing", archiveOf([1, 0, 1, 1, 0]), "malformed"],
  ["an offset of 2^60", archiveOf([1, 0, 1, 1, 1], (v) => v.setBigUint64(8, 2n ** 60n, true)), "malformed"],
  ["version 4", archiveOf([0], (v) => v.setUint8(7, 4)), "unsupported"],
  ["version 1", Buffer.from("PM\x01\0").subarray(), "unsupported"],
  ["compressed with zstd", archiveOf([0], (v) => v.setUint8(97, 4)), "unsupported"],
  ["a compression that is none", archiveOf([0], (v) => v.setUint8(97, 99)), "unsupported"],
  ["nothing", new Uint8Array(), "malformed"],
])("%s is refused", async (_, bytes, code) => {
  await expect(readTile(memorySource("x", bytes), { z: 0, x: 0, y: 0 })).rejects.toMatchObject({ code });
});

test.each([
  { z: 27, x: 0, y: 0 },
  { z: 1, x: 2, y: 0 },
  { z: 0, x: -1, y: 0 },
  { z: 0.5, x: 0, y: 0 },
])("%j is no tile", async (address) => {
  const source = loggedSource(archiveOf([0]));
  await expect(readTile(source, address)).rejects.toMatchObject({ code: "usage" });
  expect(source.requests()).toBe(0);
});

test("random damage ends in an error of ours or a tile", async () => {
  const sound = archiveOf([2, 0, 1, 1, 1, 10, 10, 1, 11]);
  const options = { seed: 7, rounds: 500, within: 250 };
  await surviveDamage(sound, (source) => pmtiles.info(source), options);
  await surviveDamage(sound, (source) => readTile(source, { z: 0, x: 0, y: 0 }), options);
});
