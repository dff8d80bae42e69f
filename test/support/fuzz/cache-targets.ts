import { mkdtempSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../src/bytes/digest.ts";
import { openCache } from "../../../src/cache/open-cache.ts";
import { ExtentIndex } from "../../../src/cache/extent-index.ts";
import { decodeRecords, encodeRecord, extentRecords, RECORD_BYTES } from "../../../src/cache/extent-log.ts";
import { checkStored, storedContents } from "../../../src/cache/stored-contents.ts";
import { crc32 } from "node:zlib";
import type { FuzzTarget } from "./target.ts";

const PAGE = 4096;
const SIZE = 5 * PAGE + 9;
const CONTENT = new Uint8Array(Buffer.alloc(SIZE, "riffle "));
const ID = digestOf(CONTENT);
const BOOT = 77;

function soundLog(): Buffer {
  const run = { start: 1, end: 4 };
  return Buffer.concat([
    encodeRecord({ kind: "head", size: SIZE, nonce: 5, boot: BOOT }),
    ...extentRecords(run, CONTENT.subarray(PAGE, 4 * PAGE), { verified: false, boot: BOOT }).map(encodeRecord),
    encodeRecord({ kind: "synced", records: 2, boot: BOOT }),
    encodeRecord({ kind: "whole", boot: BOOT }),
  ]);
}

/** With right checksums in every record, so that what they say is looked at. */
function resealed(input: Uint8Array): Buffer {
  const bytes = Buffer.from(input);
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    bytes.writeUInt32LE(0x31584652, at + 24);
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 28)), at + 28);
  }
  return bytes;
}

const extentLog: FuzzTarget = {
  name: "extent-log",
  seeds: () => [new Uint8Array(soundLog()), new Uint8Array(0)],
  run: (input) => {
    for (const bytes of [Buffer.from(input), resealed(input)]) {
      const { records, bytesUsed } = decodeRecords(bytes);
      if (bytesUsed > bytes.length) throw new Error("more bytes than there are");
      const index = new ExtentIndex(SIZE, { boot: BOOT });
      index.take(records, { index: 0, dataBytes: SIZE });
      index.takePending({ start: 0, end: 6 });
      if (index.held.count > 6) throw new Error("more pages than there are");
    }
  },
};

let folder: string | undefined;

/** A whole cache directory whose log anybody wrote: what is served must be what has its checksum. */
const cacheDirectory: FuzzTarget = {
  name: "cache-directory",
  every: 5,
  seeds: () => [new Uint8Array(soundLog()), new Uint8Array(soundLog().subarray(0, 40))],
  run: async (input) => {
    folder ??= mkdtempSync(join(tmpdir(), "riffle-fuzz-cache-"));
    const hex = ID.slice("sha256:".length);
    const unit = join(folder, "v1/blobs/sha256", hex.slice(0, 2), hex);
    const options = { directory: folder, freeSpace: { bytes: 0, ratio: 0 }, bootId: "another" };
    await (await openCache(options)).close();
    for (const bytes of [Buffer.from(input), resealed(input)]) {
      mkdirSync(unit, { recursive: true });
      writeFileSync(join(unit, "data"), CONTENT);
      writeFileSync(join(unit, "extents"), bytes);
      const cache = await openCache(options);
      const entry = cache.open(ID, SIZE);
      for (let start = 0; start < SIZE; start += PAGE) {
        const end = Math.min(SIZE, start + PAGE);
        const found = await entry.read({ start, end });
        if (found !== undefined && Buffer.compare(found, CONTENT.subarray(start, end)) !== 0)
          throw new Error("bytes that were not written");
      }
      await entry.write(0, CONTENT);
      if (entry.missing({ start: 0, end: SIZE }).length > 0) throw new Error("a cache of no use");
      await cache.close();
      for (const content of await storedContents(folder)) await checkStored(content, { root: join(folder, "v1") });
      emptied(join(folder, "v1/trash"));
      emptied(join(folder, "v1/blobs"));
    }
  },
  close: () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    folder = undefined;
  },
};

function emptied(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return;
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true, force: true });
}

export const CACHE_TARGETS: readonly FuzzTarget[] = [extentLog, cacheDirectory];
