import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import type { ArchiveListing } from "../../../src/layers/archive-listing.ts";
import { scanTar } from "../../../src/layers/tar/scan.ts";
import { buildTree } from "../../../src/layers/tree-builder.ts";
import { paxPart, paxRecord, tarFile, tarHeader, tarPart, withChecksum, type TarPart } from "../../support/tar-file.ts";

const list = (bytes: Uint8Array): Promise<ArchiveListing> =>
  scanTar(memorySource("test", new Uint8Array(bytes)), { gapBytes: () => 64 * 1024 });
const text = (content: string): Uint8Array => Buffer.from(content);
const pathsOf = ({ entries }: ArchiveListing): readonly string[] => entries.map(({ path }) => String(path));

async function shown(...parts: readonly (TarPart | Uint8Array)[]): Promise<readonly string[]> {
  const listing = await list(tarFile(...parts));
  buildTree(listing.entries);
  return [...pathsOf(listing), ...listing.omissions.map(({ member, reason }) => `${member}: ${reason}`)];
}

describe("what becomes of members", () => {
  const file = (name: string, content = name): TarPart => ({ name, content: text(content) });
  test.each<[string, readonly (TarPart | Uint8Array)[], readonly string[]]>([
    ["names are normalised", [file("./a//b/./c"), file("/d")], ["a", "a/b", "a/b/c", "d"]],
    ["upwards is outside", [file("a/../b"), file("c")], ["c", "a/../b: would lie outside of the archive"]],
    ["a child of a file", [file("x"), file("x/y")], ["x", "x/y: lies below a file or a link"]],
    ["a file in place of a directory takes what it held", [file("x/y"), file("x/z/w"), file("x")], ["x"]],
    ["a directory again keeps what it held", [file("x/y"), { name: "x/", type: "5" }], ["x", "x/y"]],
    ["a directory in place of a file", [file("x"), { name: "x", type: "5" }, file("x/y")], ["x", "x/y"]],
    ["below a link", [{ name: "d", type: "2", link: "/tmp" }, file("d/e")], ["d", "d/e: lies below a file or a link"]],
    ["a device", [{ name: "c", type: "3" }], ["c: is a device, a FIFO or the like"]],
    [
      "a long step",
      [paxPart({ path: "n".repeat(256) }), file("s")],
      [`${"n".repeat(200)}...: has a component over 255 bytes`],
    ],
    ["a hard link to itself", [{ name: "h", type: "1", link: "h" }], ["h: is a hard link to no earlier member"]],
    [
      "a hard link forward",
      [{ name: "h", type: "1", link: "x" }, file("x")],
      ["x", "h: is a hard link to no earlier member"],
    ],
    [
      "a hard link to a directory",
      [file("d/x"), { name: "h", type: "1", link: "d" }],
      ["d", "d/x", "h: is a hard link to no earlier member"],
    ],
    ["old directories end in a slash", [{ name: "d/", type: "\0" }], ["d"]],
  ])("%s", async (_, parts, expected) => {
    expect(await shown(...parts)).toEqual(expected);
  });

  test("hard links share a group, and keep what their target was", async () => {
    const { entries, groups } = await list(
      tarFile(
        file("a", "one"),
        { name: "b", type: "1", link: "./a" },
        { name: "c", type: "1", link: "b" },
        file("a", "three"),
      ),
    );
    expect(groups).toBe(1);
    expect(entries.map(({ path, size, group }) => [path, size, group])).toEqual([
      ["b", 3, 1],
      ["c", 3, 1],
      ["a", 5, undefined],
    ]);
  });

  test("thousands that are left out are counted, and the first are named", async () => {
    const listing = await list(tarFile(...Array.from({ length: 3000 }, (_, at) => ({ name: `../${at}` }))));
    expect(listing).toMatchObject({ entries: [], omitted: 3000, members: 3000 });
    expect(listing.omissions).toHaveLength(20);
  });

  test("a deep path and its many directories cost no recursion", async () => {
    const deep = "d/".repeat(1900);
    const listing = await list(
      tarFile(paxPart({ path: `${deep}f` }), { name: "s" }, paxPart({ path: `${deep}dd/dd/${"e/".repeat(200)}f` }), {
        name: "s",
      }),
    );
    expect(listing.entries).toHaveLength(1901);
    expect(listing.omissions[0]?.reason).toBe("is longer than any path may be");
  });
});

describe("extended headers", () => {
  const refused = async (...parts: readonly (TarPart | Uint8Array)[]): Promise<void> => {
    await expect(list(tarFile(...parts))).rejects.toMatchObject({ code: "malformed" });
  };

  test("pax overrides name, link, size and time", async () => {
    const { entries } = await list(
      tarFile(
        paxPart({ path: "long/name", size: 5, mtime: "-1.5" }),
        Buffer.concat([tarHeader({ name: "short", size: 0 }), text("hello"), new Uint8Array(507)]),
        paxPart({ linkpath: "to/there" }),
        { name: "l", type: "2", link: "here" },
        { name: "plain" },
      ),
    );
    expect(entries).toMatchObject([
      { path: "long", kind: "directory" },
      { path: "long/name", size: 5, mtime: -1.5 },
      { path: "l", target: Uint8Array.from(text("to/there")) },
      { path: "plain" },
    ]);
  });

  test("an empty value takes back what was said before it", async () => {
    const records = Buffer.concat([paxRecord("path", "said"), paxRecord("path", "")]);
    expect(await shown(tarPart({ name: "x", type: "x", content: records }), { name: "own" })).toEqual(["own"]);
  });

  test("GNU long names and links, beyond any field", async () => {
    const name = `${"n".repeat(120)}/${"m".repeat(120)}`;
    const { entries } = await list(
      tarFile(
        { name: "././@LongLink", type: "L", content: text(`${name}\0junk`) },
        { name: "././@LongLink", type: "K", content: text(`${"t".repeat(300)}\0`) },
        { name: "cut", type: "2", link: "cut" },
      ),
    );
    expect(entries.at(-1)).toMatchObject({ path: name, target: Uint8Array.from(text("t".repeat(300))) });
  });

  test.each([
    ["a length beyond the header", text("99 path=a\n")],
    ["a length that is short", text("5 path=a\n")],
    ["no newline at the end", text("10 path=ab")],
    ["no number", text("x path=a\n")],
    ["no key", text("5 =a\n")],
    ["NUL in a path", paxRecord("path", "a\0b")],
    ["NUL in a link", paxRecord("linkpath", "a\0b")],
    ["a size of 2^63", paxRecord("size", "9223372036854775808")],
    ["a negative size", paxRecord("size", "-1")],
  ])("%s refuses the archive", async (_, content) => {
    await refused(tarPart({ name: "x", type: "x", content }), { name: "a" });
  });

  test("sizes that reach past the end, headers without a member, too many and too long ones", async () => {
    await refused(tarHeader({ name: "a", size: 10_000 }));
    await refused(paxPart({ path: "a" }));
    await refused(...Array.from({ length: 20 }, () => paxPart({ path: "a" })), { name: "a" });
    await refused(tarPart({ name: "x", type: "x", content: new Uint8Array(5 * 1024 * 1024) }), { name: "a" });
  });

  test("a size in base 256, and one that is negative there", async () => {
    const block = Buffer.from(tarHeader({ name: "a" }));
    block.fill(0, 124, 136);
    block[124] = 0x80;
    block[135] = 3;
    expect((await list(tarFile(withChecksum(block), text("abc".padEnd(512, "\0"))))).entries).toMatchObject([
      { path: "a", size: 3 },
    ]);
    block.fill(0xff, 124, 136);
    await refused(withChecksum(block));
  });
});

test("whatever bytes an archive holds, it is listed or refused", async () => {
  const base = tarFile(
    paxPart({ path: "a/b", mtime: 1 }),
    { name: "x", content: text("hello") },
    { name: "h", type: "1", link: "a/b" },
    { name: "S", type: "S" },
  );
  const edits = fc.array(fc.record({ at: fc.nat(base.length - 1), value: fc.nat(255), seal: fc.boolean() }), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      const bytes = Buffer.from(base);
      for (const { at, value, seal } of changes) {
        bytes[at] = value;
        const block = at - (at % 512);
        if (seal) bytes.set(withChecksum(bytes.subarray(block, block + 512)), block);
      }
      const listing = await list(bytes).catch((error: unknown) => {
        expect(error).toMatchObject({ name: "RiffleError", code: "malformed" });
        return undefined;
      });
      if (listing !== undefined) buildTree(listing.entries);
      for (const { offset = 0, size = 0, kind } of listing?.entries ?? [])
        if (kind === "file") expect(offset + size).toBeLessThanOrEqual(bytes.length);
    }),
    { seed: 20_260_101, numRuns: 1500 },
  );
});
