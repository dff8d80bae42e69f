import { gzipSync, deflateSync } from "node:zlib";
import { RecordBatchFileWriter, Table, tableFromArrays, tableToIPC } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { npyHeader } from "../../../src/formats/npy/encode.ts";
import { indexedFile } from "../../formats/flatgeobuf/indexed-file.ts";
import { bigTiff, stripTags } from "../../formats/cog/tiff-bytes.ts";
import { madeZip } from "../zip-file.ts";
import { json, utf8 } from "./target.ts";

const u16be = (...values: readonly number[]): Buffer =>
  Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));
const u32be = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, at * 4);
  return bytes;
};
const u64le = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const u32le = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const SIDE = 8;
const PIXELS = new Uint8Array(SIDE * SIDE).map((_, at) => at);

const npy = (): Uint8Array =>
  Buffer.concat([
    npyHeader({ dtype: "<u2", shape: [4, 3] }),
    Buffer.from(new Uint16Array(12).map((_, at) => at).buffer),
  ]);

function parquet(): Uint8Array {
  const rows = Array.from({ length: 40 }, (_, row) => row);
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "id", data: rows, type: "INT32" },
        { name: "name", data: rows.map((row) => `name ${row % 5}`), type: "STRING" },
        { name: "x", data: rows.map((row) => row / 3), type: "DOUBLE" },
      ],
      rowGroupSize: 20,
    }),
  );
}

function arrow(compressed: boolean): Uint8Array {
  const table = tableFromArrays({
    a: Int32Array.from({ length: 20 }, (_, row) => row),
    b: ["x", "yy", null, "z"].flatMap((text) => Array(5).fill(text) as (string | null)[]),
  });
  return compressed
    ? tableToIPC(table, "file")
    : RecordBatchFileWriter.writeAll(new Table(table.batches)).toUint8Array(true);
}

const tiffs = (): readonly Uint8Array[] => [
  bigTiff([{ tags: stripTags({ width: SIDE, height: SIDE, offset: 16 + 8 + 12 * 20 + 8, length: 64 }) }], PIXELS),
  ...[1, 5, 7, 8, 32_773, 34_887, 50_000].map((compression) => {
    const data = compression === 8 ? deflateSync(PIXELS) : PIXELS;
    return bigTiff([{ tags: stripTags({ width: SIDE, height: SIDE, compression, length: data.length }) }], data);
  }),
];

function safetensors(): Uint8Array {
  const header = Buffer.from(
    json({ __metadata__: { a: "b" }, t: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] } }),
  );
  return Buffer.concat([u64le(header.length), header, Buffer.alloc(16, 1)]);
}

function gguf(): Uint8Array {
  const text = (value: string): Buffer => Buffer.concat([u64le(value.length), Buffer.from(value)]);
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32le(3),
    u64le(1),
    u64le(2),
    text("general.architecture"),
    u32le(8),
    text("llama"),
    text("list"),
    u32le(9),
    u32le(4),
    u64le(2),
    u32le(1),
    u32le(2),
    text("t"),
    u32le(1),
    u64le(4),
    u32le(0),
    u64le(0),
  ]);
  return Buffer.concat([head, Buffer.alloc(32 - (head.length % 32) + 32)]);
}

function netcdf(version: 1 | 2): Uint8Array {
  const name = (text: string): Buffer =>
    Buffer.concat([u32be(text.length), Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, "\0"))]);
  const dimensions = Buffer.concat([u32be(0x0a, 2), name("time"), u32be(0), name("n"), u32be(5)]);
  const attributes = Buffer.concat([u32be(0x0c, 1), name("title"), u32be(2, 4), Buffer.from("abcd")]);
  const begin = (at: number): Buffer => (version === 1 ? u32be(at) : u32be(0, at));
  const variable = (text: string, dims: readonly number[], at: number): Buffer =>
    Buffer.concat([name(text), u32be(dims.length, ...dims), u32be(0, 0), u32be(3, 12), begin(at)]);
  const header = Buffer.concat([
    Buffer.from(`CDF${String.fromCharCode(version)}`, "latin1"),
    u32be(2),
    dimensions,
    attributes,
    u32be(0x0b, 2),
    variable("fixed", [1], 256),
    variable("rec", [0, 1], 272),
  ]);
  return Buffer.concat([header, Buffer.alloc(400 - header.length, 3)]);
}

function pmtiles(): Uint8Array {
  const root = gzipSync(Uint8Array.from([2, 0, 1, 1, 1, 10, 10, 1, 11]));
  const bytes = Buffer.alloc(127 + root.length + 40);
  bytes.write("PMTiles\x03");
  bytes.set(root, 127);
  bytes.writeBigUInt64LE(127n, 8);
  bytes.writeBigUInt64LE(BigInt(root.length), 16);
  bytes.writeBigUInt64LE(BigInt(127 + root.length), 40);
  bytes.writeBigUInt64LE(BigInt(127 + root.length), 56);
  bytes.writeBigUInt64LE(20n, 64);
  bytes[97] = 2;
  return bytes;
}

function jpeg2000(): Uint8Array {
  const marker = (code: number, body: Uint8Array): Buffer => Buffer.concat([u16be(code, body.length + 2), body]);
  const siz = Buffer.concat([u16be(0), u32be(30, 20, 0, 0, 10, 10, 0, 0), u16be(1), Buffer.from([7, 1, 1])]);
  const part = Buffer.concat([u16be(0xff90, 10, 0), u32be(20), Buffer.from([0, 1]), Buffer.alloc(8)]);
  const stream = Buffer.concat([
    u16be(0xff4f),
    marker(0xff51, siz),
    marker(0xff52, Buffer.from([0, 2, 0, 4, 1, 5, 4, 4, 0, 1])),
    marker(0xff55, Buffer.concat([Buffer.from([0, 0x50, 0]), u32be(20)])),
    part,
    u16be(0xffd9),
  ]);
  const box = (type: string, body: Uint8Array): Buffer =>
    Buffer.concat([u32be(body.length + 8), Buffer.from(type), body]);
  return Buffer.concat([
    Buffer.from("\0\0\0\x0cjP  \r\n\x87\n", "latin1"),
    box("ftyp", Buffer.from("jp2 \0\0\0\0jp2 ")),
    box("jp2h", box("colr", Buffer.concat([Buffer.from([1, 0, 0]), u32be(16)]))),
    box("jp2c", stream),
  ]);
}

function grib2(): Uint8Array {
  const section = (number: number, bytes: number): Buffer =>
    Buffer.concat([u32be(bytes), Buffer.from([number]), Buffer.alloc(bytes - 5, 1)]);
  const body = Buffer.concat([
    ...[
      [1, 21],
      [3, 72],
      [4, 34],
      [5, 21],
      [6, 6],
      [7, 25],
    ].map(([number = 0, bytes = 0]) => section(number, bytes)),
    Buffer.from("7777"),
  ]);
  return Buffer.concat([Buffer.from("GRIB"), Buffer.from([0, 0, 0, 2]), u32be(0, 16 + body.length), body]);
}

function las(): Uint8Array {
  const header = Buffer.alloc(375 + 54 + 160 + 96);
  header.write("LASF");
  header.set([1, 4], 24);
  header.writeUInt16LE(375, 94);
  header.writeUInt32LE(375 + 54 + 160, 96);
  header.writeUInt32LE(1, 100);
  header[104] = 0x86;
  header.writeUInt16LE(30, 105);
  header.writeBigUInt64LE(10n, 247);
  header.write("copc", 375 + 2);
  header.writeUInt16LE(1, 375 + 18);
  header.writeUInt16LE(160, 375 + 20);
  header.writeBigUInt64LE(589n, 375 + 54 + 40);
  header.writeBigUInt64LE(96n, 375 + 54 + 48);
  return header;
}

function sqlite(): Uint8Array {
  const page = Buffer.alloc(512);
  page.write("SQLite format 3\0");
  page.writeUInt16BE(512, 16);
  page.writeUInt32BE(1, 28);
  page.writeUInt32BE(1, 56);
  page[100] = 0x0d;
  page.writeUInt16BE(1, 103);
  const row = Buffer.concat([
    Buffer.from([20, 1, 6, 23, 23, 23, 1, 13]),
    Buffer.from("tabletabletable"),
    Buffer.from([2]),
  ]);
  page.set(row, 512 - row.length);
  page.writeUInt16BE(512 - row.length, 108);
  return page;
}

function duckdb(): Uint8Array {
  const bytes = Buffer.alloc(12_288 + 64);
  for (const at of [0, 4096, 8192]) bytes.write("DUCK", at + 8);
  bytes.writeBigUInt64LE(64n, 12);
  for (const at of [4096, 8192]) bytes.writeBigUInt64LE(262_144n, at + 40);
  return bytes;
}

function zarr(): Uint8Array {
  const metadata = json({
    zarr_format: 3,
    node_type: "array",
    shape: [4, 4],
    data_type: "uint16",
    chunk_grid: { name: "regular", configuration: { chunk_shape: [2, 4] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: 7,
    codecs: [
      { name: "bytes", configuration: { endian: "little" } },
      { name: "gzip", configuration: { level: 1 } },
    ],
  });
  return madeZip([
    { name: "zarr.json", content: metadata },
    { name: "c/0/0", content: gzipSync(new Uint8Array(16)) },
  ]);
}

/** Small sound files of each format, made here so that a checkout alone can be fuzzed. HDF5 is taken from fixtures. */
export const SEED_FILES: Readonly<Record<string, () => readonly Uint8Array[]>> = {
  parquet: () => [parquet()],
  tiff: tiffs,
  arrow: () => [arrow(true), arrow(false)],
  flatgeobuf: () => [indexedFile(4).bytes],
  csv: () => ['a,b\n1,x\n2,"y""z"\n', "a;b\r\n1,5;2\r\n", "\ufeffa\tb\n1\t2\n"].map(utf8),
  ndjson: () => ['{"a":1,"b":"x"}\n{"a":2.5,"c":[1,{"d":null}]}\n', '{"a":9007199254740993}\n'].map(utf8),
  npy: () => [npy()],
  npz: () => [
    madeZip([
      { name: "a.npy", content: npy(), deflate: true },
      { name: "b.npy", content: npy() },
    ]),
  ],
  zarr: () => [zarr()],
  hdf5: () => [Buffer.from("\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", "latin1")],
  "netcdf-classic": () => [netcdf(1), netcdf(2)],
  safetensors: () => [safetensors()],
  gguf: () => [gguf()],
  pmtiles: () => [pmtiles()],
  zip: () => [
    madeZip([
      { name: "a/b.txt", content: utf8("hello hello hello"), deflate: true },
      { name: "é", content: utf8("x") },
    ]),
  ],
  las: () => [las()],
  grib2: () => [grib2()],
  jpeg2000: () => [jpeg2000()],
  duckdb: () => [duckdb()],
  sqlite: () => [sqlite()],
};
