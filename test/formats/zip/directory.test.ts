import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { contains, isEmpty } from "../../../src/bytes/range.ts";
import { memorySource } from "../../../src/bytes/source.ts";
import { isRiffleError } from "../../../src/errors.ts";
import { readZipDirectory, type ZipDirectory } from "../../../src/formats/zip/directory.ts";
import { extentRanges } from "../../../src/formats/extents.ts";
import { zip } from "../../../src/formats/zip/module.ts";
import { memberRanges, readMember } from "../../../src/formats/zip/member.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { surviveDamage } from "../../support/damage.ts";
import { loggedSource } from "../../support/logged-source.ts";

interface ExpectedMember {
  readonly path: string;
  readonly type: string;
  readonly size?: number;
  readonly method?: number;
  readonly csize?: number;
  readonly crc32?: string;
  readonly offset?: number;
  readonly mode?: number;
  readonly sha256?: string;
  readonly encrypted?: boolean;
  readonly read?: string;
  readonly rule?: string;
}

const plain = (path: string): string =>
  path
    .split("/")
    .filter((step) => step !== "" && step !== ".")
    .join("/");

/** Where the readers behind expected.json are not followed, with what is right instead. */
const BETTER: Readonly<Record<string, string>> = {
  // The header's name is 16 control characters; the fourth Unicode path field is the one whose version and checksum hold.
  "yauzl/success/unicode-path-extra-field.zip": "七个房间.txt",
};

/** Python cuts names at NUL; the directory must keep it, since such members are not to be exposed. */
function isSameName(found: string, expected: string): boolean {
  return plain(found) === plain(expected) || found.startsWith(`${expected}\0`);
}

async function listed(path: string): Promise<ZipDirectory | string> {
  try {
    return await readZipDirectory(memorySource(path, fixtureBytes(path)));
  } catch (error) {
    if (isRiffleError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

describeFixtures("every zip of the fixtures", () => {
  test.each(expectedUnits("zip"))("%s", async (path, unit) => {
    const found = await listed(path);
    if (unit.outcome === "refuse") return expect(found).toMatch(/^(malformed|unsupported): ./);
    if (unit.outcome === "either" && typeof found === "string")
      return expect(found).toMatch(/^(malformed|unsupported)/);
    if (typeof found === "string") throw new Error(found);
    const entries = unit["entries"] as readonly ExpectedMember[];
    // Made archives name what must show, sorted; others all members, in order, the first twenty of many.
    const inOrder = unit["notExposed"] === undefined;
    if (inOrder) expect(found.members.length).toBe(unit["entryCount"] ?? entries.length);
    for (const [at, entry] of entries.entries()) {
      const member = inOrder ? found.members[at] : found.members.findLast((one) => plain(one.path) === entry.path);
      const name = BETTER[path] ?? entry.path;
      expect([isSameName(member?.path ?? "absent", name), member?.path, name]).toEqual([true, member?.path, name]);
      if (entry.type === "file") expect(member?.size).toBe(entry.size);
      if (entry.method !== undefined) expect(member?.method).toBe(entry.method);
      if (entry.csize !== undefined) expect(member?.compressedBytes).toBe(entry.csize);
      if (entry.crc32 !== undefined) expect(member?.crc32).toBe(Number.parseInt(entry.crc32, 16));
      if (entry.offset !== undefined) expect(member?.headerOffset).toBe(entry.offset);
      if (entry.mode !== undefined && member?.mode !== undefined) expect(member.mode & 0o7777).toBe(entry.mode);
      expect(member?.isEncrypted).toBe(entry.encrypted ?? false);
    }
  });
});

describeFixtures("the content of every member", () => {
  test.each(expectedUnits("zip").filter(([, { outcome }]) => outcome === "list"))("%s", async (path, unit) => {
    const found = await listed(path);
    if (typeof found === "string") throw new Error(found);
    const source = memorySource(path, fixtureBytes(path));
    for (const entry of unit["entries"] as readonly ExpectedMember[]) {
      const member = found.members.findLast((one) => plain(one.path) === plain(entry.path));
      if (member === undefined || entry.sha256 === undefined || entry.type !== "file") continue;
      if (entry.read !== undefined || member.size > 2 ** 26) continue;
      const content = await readMember(source, member).catch((error: unknown) => error);
      if (isRiffleError(content) && content.code === "unsupported") continue;
      if (!(content instanceof Uint8Array)) throw content;
      expect([entry.path, createHash("sha256").update(content).digest("hex")]).toEqual([entry.path, entry.sha256]);
    }
    for (const name of (unit["readErrors"] as readonly string[] | undefined) ?? []) {
      const member = found.members.find((one) => one.path === name);
      if (member === undefined) throw new Error(`no ${name}`);
      await expect(readMember(source, member)).rejects.toMatchObject({ name: "RiffleError" });
    }
  });
});

describeFixtures("extents hold the bytes of every member", () => {
  test.each(expectedUnits("zip").filter(([, { outcome }]) => outcome === "list"))("%s", async (path) => {
    const source = memorySource(path, fixtureBytes(path));
    const { members } = await readZipDirectory(source);
    const table = await zip.extents?.(source);
    const units = table === undefined ? [] : extentRanges(table);
    const ranges = await memberRanges(source, members).catch(() => []);
    for (const range of ranges.filter((one) => !isEmpty(one))) {
      expect(units.some((unit) => contains(unit, range))).toBe(true);
    }
    const { facts } = await zip.info(source);
    expect(facts["members"]).toBe(members.length);
  });
});

/** An archive of stored members without content checks: enough for a directory. */
function archive(names: readonly string[], comment = ""): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const name of names) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name));
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(names.length % 65536, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, table, end, Buffer.from(comment)]);
}

test("a small directory is one request, a long one two", async () => {
  const few = loggedSource(archive(["a", "b"]));
  expect((await readZipDirectory(few)).members.map(({ path }) => path)).toEqual(["a", "b"]);
  expect(few.calls.length).toBe(1);
  const many = loggedSource(archive(Array.from({ length: 5000 }, (_, at) => `member-${at}`)));
  expect((await readZipDirectory(many)).members.length).toBe(5000);
  expect(many.calls.length).toBe(2);
  expect(many.bytes()).toBeLessThan(65_536 + 5000 * 60);
});

test("local headers are read together, content in one more round trip", async () => {
  const source = loggedSource(archive(["a", "b", "c"]));
  const { members } = await readZipDirectory(source);
  expect((await memberRanges(source, members)).map(({ start }) => start)).toEqual([31, 62, 93]);
  expect(source.calls.slice(1).map((ranges) => ranges.length)).toEqual([3]);
  const [first] = members;
  if (first === undefined) throw new Error("no member");
  expect(await readMember(source, first)).toEqual(new Uint8Array());
  expect(source.calls.length).toBe(4);
});

test("a directory of megabytes is not fetched for extents", async () => {
  const bytes = archive(Array.from({ length: 60_000 }, (_, at) => `${"long/".repeat(20)}${at}`));
  const source = loggedSource(bytes);
  expect((await zip.extents?.(source))?.count).toBe(0);
  expect(source.bytes()).toBe(65_536);
  expect((await zip.info(source)).facts["members"]).toBe(60_000);
});

test("the longest comment is looked behind", async () => {
  const source = loggedSource(archive(["a"], "x".repeat(65_535)));
  expect((await readZipDirectory(source)).members.length).toBe(1);
  expect(source.calls.length).toBe(2);
});

test("a declared directory of 4 GiB costs nothing", async () => {
  const bytes = archive(["a"]);
  bytes.writeUInt32LE(0xfffffff0, bytes.length - 10);
  await expect(readZipDirectory(memorySource("huge", bytes))).rejects.toMatchObject({ name: "RiffleError" });
});

test("any damage is an error of ours or a list, and ends", async () => {
  const sound = archive(["a", "bb", "ccc"], "hello");
  await surviveDamage(sound, (source) => readZipDirectory(source), { seed: 20_260_101, rounds: 2000 });
});
