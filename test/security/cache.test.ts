import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { clearCacheDirectory } from "../../src/cache/directory-status.ts";
import { openDocuments } from "../../src/cache/documents.ts";
import { temporaryCache, type TemporaryCache } from "../cache/temporary.ts";

const BYTES = Buffer.from("the bytes of a layer");
const ID = digestOf(BYTES);
const HEX = ID.slice(7);
const SOMEBODY = 54_321;
const IS_ROOT = process.getuid?.() === 0;
const skipped = IS_ROOT ? "" : " (skipped: needs root)";

let place: TemporaryCache;
/** Where an attacker would like to read from and write to. */
let elsewhere: string;

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
  elsewhere = join(place.directory, "elsewhere");
  mkdirSync(elsewhere, { mode: 0o700 });
});
afterEach(() => place.cleanUp());

/** Reads and writes one content as a mount would; gives what was on disk for it. */
async function use(directory = place.directory): Promise<string | undefined> {
  const cache = await place.open({ directory });
  const entry = cache.open(ID, BYTES.length);
  await entry.write(0, BYTES);
  expect(await entry.read({ start: 0, end: BYTES.length })).toEqual(new Uint8Array(BYTES));
  return entry.backing()?.path;
}

async function makeCache(): Promise<void> {
  const cache = await place.open();
  await cache.open(ID, BYTES.length).write(0, BYTES);
  await cache.close();
}

test.skipIf(!IS_ROOT)(`a cache directory that another user owns, or linked to, is not used${skipped}`, async () => {
  const theirs = join(place.directory, "theirs");
  mkdirSync(theirs);
  chownSync(theirs, SOMEBODY, SOMEBODY);
  expect(await use(theirs)).toBeUndefined();
  const link = join(place.directory, "link");
  symlinkSync(elsewhere, link);
  lchownSync(link, SOMEBODY, SOMEBODY);
  expect(await use(link)).toBeUndefined();
  const planted = join(place.directory, "planted");
  mkdirSync(join(planted, "v1"), { recursive: true, mode: 0o700 });
  chownSync(join(planted, "v1"), SOMEBODY, SOMEBODY);
  expect(await use(planted)).toBeUndefined();
  expect(place.lines).toEqual([
    `cache directory ${theirs} belongs to another user; going on without a disk cache`,
    `cache directory ${link} is a symbolic link of another user; going on without a disk cache`,
    `cache directory ${planted}/v1 belongs to another user; going on without a disk cache`,
  ]);
  expect([readdirSync(theirs), readdirSync(elsewhere), readdirSync(join(planted, "v1"))]).toEqual([[], [], []]);
});

test("a cache that others could write into is not used, wherever it lies", async () => {
  const open = join(place.directory, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  expect(await use(open)).toBe(join(open, "v1/blobs/sha256", HEX.slice(0, 2), HEX, "data"));
  chmodSync(join(open, "v1"), 0o770);
  expect(await use(open)).toBeUndefined();
  expect(place.lines).toEqual([`cache directory ${open}/v1 could be written by others; going on without a disk cache`]);
});

test("a symbolic link in place of a folder of the cache is not followed", async () => {
  for (const name of ["blobs", "derived", "trash"]) {
    const root = join(place.directory, name);
    mkdirSync(join(root, "v1"), { recursive: true, mode: 0o700 });
    symlinkSync(elsewhere, join(root, "v1", name));
    expect(await use(root)).toBeUndefined();
    expect(place.lines.pop()).toBe(
      `cache directory ${root}/v1/${name} is a symbolic link; going on without a disk cache`,
    );
    expect(await clearCacheDirectory(root)).toEqual({ freedBytes: 0 });
  }
  expect(readdirSync(elsewhere)).toEqual([]);
});

test("a symbolic link on the way to a content, or in its place, is not followed", async () => {
  await makeCache();
  const blobs = join(place.directory, "v1/blobs");
  const unit = join(blobs, "sha256", HEX.slice(0, 2), HEX);
  const evil = Buffer.from("THE BYTES OF A LAYER");
  const steal = (path: string): void => {
    renameSync(path, join(elsewhere, "kept"));
    symlinkSync(join(elsewhere, "kept"), path);
  };
  const restore = (): void =>
    renameSync(join(elsewhere, "kept"), join(elsewhere, `used-${Math.trunc(performance.now() * 1e6)}`));
  for (const path of [join(blobs, "sha256"), join(blobs, "sha256", HEX.slice(0, 2))]) {
    steal(path);
    expect(await use()).toBeUndefined();
    renameSync(path, `${path}-link`);
    renameSync(join(elsewhere, "kept"), path);
  }
  steal(unit);
  writeFileSync(join(elsewhere, "kept/data"), evil);
  // What was in the way goes to the trash; the content is fetched anew into a folder of its own.
  await use();
  expect(readFileSync(join(elsewhere, "kept/data"))).toEqual(evil);
  restore();
  const { trash } = await place.open();
  expect(existsSync(trash)).toBe(true);
});

test("a data file that is a symbolic link is neither read nor written", async () => {
  await makeCache();
  const data = join(place.directory, "v1/blobs/sha256", HEX.slice(0, 2), HEX, "data");
  const target = join(elsewhere, "precious");
  renameSync(data, target);
  symlinkSync(target, data);
  const before = readFileSync(target);
  await use();
  expect(readFileSync(target)).toEqual(before);
  expect(statSync(target).nlink).toBe(1);
});

test("a document that is a symbolic link is not read", async () => {
  await makeCache();
  const documents = openDocuments(place.directory);
  documents.put("tag-one", Buffer.from("ours"));
  documents.save();
  const folder = join(place.directory, "v1/derived/documents");
  expect(Buffer.from(documents.get("tag-one") ?? []).toString()).toBe("ours");
  writeFileSync(join(elsewhere, "theirs"), "theirs");
  symlinkSync(join(elsewhere, "theirs"), join(folder, "tag-two"));
  expect(documents.get("tag-two")).toBeUndefined();
  renameSync(folder, join(elsewhere, "documents"));
  symlinkSync(join(elsewhere, "documents"), folder);
  expect(documents.get("tag-one")).toBeUndefined();
});

test("everything in a cache directory is for its user alone", async () => {
  const before = process.umask(0);
  try {
    await makeCache();
    openDocuments(place.directory).save();
  } finally {
    process.umask(before);
  }
  const root = join(place.directory, "v1");
  const modes = readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => {
    const { mode } = statSync(join(root, name));
    return statSync(join(root, name)).isDirectory() ? mode & 0o777 & ~0o700 : mode & 0o777 & ~0o600;
  });
  expect(modes.length).toBeGreaterThan(8);
  expect(new Set(modes)).toEqual(new Set([0]));
  expect(statSync(root).mode & 0o777).toBe(0o700);
});
