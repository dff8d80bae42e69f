import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { CompressionType, compressionRegistry, RecordBatchFileWriter, tableFromArrays } from "apache-arrow";
import { beforeAll, describe, expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { decodeLz4Frame } from "../../../src/formats/arrow/lz4-frame.ts";
import { arrow } from "../../../src/formats/arrow/module.ts";
import { arrowTable } from "../../../src/formats/arrow/reader.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";

const programs = { lz4: "/usr/bin/lz4", zstd: "/usr/bin/zstd" } as const;
const types = { lz4: CompressionType.LZ4_FRAME, zstd: CompressionType.ZSTD } as const;
const words = Array.from({ length: 30_000 }, (_, row) => `word ${row % 100}`);
const numbers = Float64Array.from({ length: 30_000 }, (_, row) => row % 1000);

describe.each(["lz4", "zstd"] as const)("buffers compressed by %s", (codec) => {
  const here = existsSync(programs[codec]);
  let bytes: Uint8Array = new Uint8Array();

  beforeAll(() => {
    if (!here) return;
    const written: { readonly content: Uint8Array; readonly frame: Buffer }[] = [];
    compressionRegistry.set(types[codec], {
      encode: (content) => {
        const frame = execFileSync(programs[codec], ["-c", "-q"], { input: content, maxBuffer: 1 << 26 });
        written.push({ content, frame });
        return frame;
      },
    });
    const writer = new RecordBatchFileWriter({ compressionType: types[codec] });
    for (const batch of tableFromArrays({ words, numbers }).batches) writer.write(batch);
    const file = Buffer.from(writer.finish().toUint8Array(true));
    // Before a frame stands the length of its content (Message.fbs); the package writes that of the frame.
    for (const { content, frame } of written) {
      const at = file.indexOf(frame);
      if (at > 0) file.writeBigInt64LE(BigInt(content.length), at - 8);
    }
    bytes = file;
  });

  test.skipIf(!here)("decode to what they were, each column by itself", async () => {
    const source = loggedSource(bytes);
    await using reader = await arrowTable(source);
    expect(await readCsv(reader, { columns: ["numbers"] })).toBe(`numbers\n${numbers.join("\n")}\n`);
    expect(await readCsv(reader, { columns: ["words"] })).toBe(`words\n${words.join("\n")}\n`);
    expect(bytes.length).toBeLessThan(numbers.byteLength);
    expect((await arrow.info(source)).facts).toMatchObject({ compression: codec, rows: 30_000 });
  });

  test.skipIf(!here)("are refused when they would take more memory than is allowed, or do not decode", async () => {
    await using reader = await arrowTable(loggedSource(bytes), { maxBytes: 100_000 });
    await expect(readCsv(reader)).rejects.toThrow("a record batch of more than 100000 bytes when decompressed");
    let errors = 0;
    const step = Math.ceil(bytes.length / 200);
    for (let at = 300; at < bytes.length - 1000; at += step) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      const thrown: unknown = await arrowTable(loggedSource(damaged))
        .then((table) => readCsv(table))
        .catch((error: unknown) => error);
      if (isRiffleError(thrown)) errors++;
      else expect(thrown).toBeTypeOf("string");
    }
    expect(errors).toBeGreaterThan(0);
  });
});

test("an LZ4 frame by hand: literals, a match over itself, a stored block", () => {
  const block = [0x14, 0x61, 0x01, 0x00, 0x10, 0x62];
  const start = [0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0];
  const stored = [0x02, 0, 0, 0x80, 0x63, 0x64];
  const end = [0, 0, 0, 0];
  const frame = Uint8Array.from([start, [block.length, 0, 0, 0], block, stored, end].flat());
  expect(Buffer.from(decodeLz4Frame(frame, 12)).toString()).toBe("aaaaaaaaabcd");
  expect(() => decodeLz4Frame(frame, 11)).toThrow("LZ4 frame");
  expect(() => decodeLz4Frame(frame, 13)).toThrow("LZ4 frame");
});
