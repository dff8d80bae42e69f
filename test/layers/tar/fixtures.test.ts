import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import type { ArchiveListing } from "../../../src/layers/archive-listing.ts";
import { scanTar } from "../../../src/layers/tar/scan.ts";
import { buildTree } from "../../../src/layers/tree-builder.ts";
import { openTree } from "../../../src/layers/tree-table.ts";
import { isDirectory, pathBytesOf, walk } from "../../../src/layers/tree-paths.ts";
import { describeFixtures, expectedUnits, fixtureBytes, type ExpectedUnit } from "../../support/expected.ts";

interface Truth {
  readonly path: string;
  readonly type: string;
  readonly size?: number;
  readonly mode?: number;
  readonly mtime?: number;
  readonly link?: string;
  readonly sha256?: string;
  readonly rule?: string;
  readonly nameHex?: string;
}

interface Shown {
  readonly type: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
  readonly link: string | undefined;
  readonly sha256: string | undefined;
  readonly inode: number;
}

const EXPOSED: ReadonlySet<string> = new Set(["file", "directory", "symlink", "hardlink"]);
const LATIN1 = "latin1";

/** Everything that the archive shows, by the bytes of its path. */
function shownBy(listing: ArchiveListing, archive: Uint8Array): ReadonlyMap<string, Shown> {
  const table = openTree(buildTree(listing.entries));
  const shown = new Map<string, Shown>();
  for (const row of walk(table)) {
    const target = table.target(row);
    const offset = table.offset(row);
    const content =
      isDirectory(table, row) || target !== undefined ? undefined : archive.subarray(offset, offset + table.size(row));
    shown.set(Buffer.from(pathBytesOf(table, row)).toString(LATIN1), {
      type: isDirectory(table, row) ? "directory" : target === undefined ? "file" : "symlink",
      size: table.size(row),
      mode: table.mode(row) & 0o7777,
      mtime: table.mtime(row),
      link: target === undefined ? undefined : Buffer.from(target).toString(),
      sha256: content === undefined ? undefined : createHash("sha256").update(content).digest("hex"),
      inode: table.link(row),
    });
  }
  return shown;
}

/** As names are compared: without `.`, empty components and slashes around. */
function normalised(truth: Truth): string {
  const bytes = truth.nameHex === undefined ? Buffer.from(truth.path) : Buffer.from(truth.nameHex, "hex");
  const steps = bytes.toString(LATIN1).split("/");
  return steps.filter((step) => step !== "" && step !== ".").join("/");
}

function truthsOf(unit: ExpectedUnit): readonly Truth[] {
  return (unit["entries"] ?? []) as readonly Truth[];
}

function checkEntries(unit: ExpectedUnit, listing: ArchiveListing, shown: ReadonlyMap<string, Shown>): void {
  const omitted = new Set(listing.omissions.map(({ member }) => member));
  const last = new Map(truthsOf(unit).map((truth) => [normalised(truth), truth]));
  for (const [path, truth] of last) {
    if (path === "") continue;
    const found = shown.get(path);
    if (!EXPOSED.has(truth.type) || truth.rule !== undefined) {
      expect(found).toBeUndefined();
      continue;
    }
    if (found === undefined && omitted.has(truth.path)) {
      expect(listing.omissions).toContainEqual({ member: truth.path, reason: "is sparse, which cannot be read yet" });
      continue;
    }
    expect(found).toBeDefined();
    if (truth.type === "hardlink") {
      const target = truth.link === undefined ? undefined : normalised({ path: truth.link, type: "file" });
      expect(found?.inode).toBe(shown.get(target ?? "")?.inode);
      continue;
    }
    expect(found?.type).toBe(truth.type);
    if (truth.type === "file") expect(found?.size).toBe(truth.size);
    if (truth.sha256 !== undefined) expect(found?.sha256).toBe(truth.sha256);
    if (truth.link !== undefined) expect(found?.link).toBe(truth.link);
    if (truth.mode !== undefined && truth.type !== "symlink") expect(found?.mode).toBe(truth.mode);
    if (truth.mtime !== undefined) expect(Math.floor(found?.mtime ?? 0)).toBe(Math.floor(truth.mtime));
  }
  if (unit["entryCount"] !== undefined || unit["either"] === true) return;
  const parents = new Set(
    [...last.keys()].flatMap((path) => path.split("/").map((_, at, steps) => steps.slice(0, at).join("/"))),
  );
  if (unit["note"] !== undefined) return;
  const surplus = [...shown.keys()].filter((path) => !last.has(path) && !parents.has(path));
  expect(surplus).toEqual([]);
}

/** Lines as fixtures/README.md, section 3 wants them, for archives without duplicates. */
function entriesDigest({ entries }: ArchiveListing, archive: Uint8Array): string {
  const digest = createHash("sha256");
  for (const { path, kind, mode, size = 0, offset = 0, target } of entries) {
    if (mode === undefined) continue;
    const content = archive.subarray(offset, offset + size);
    const sha256 = kind === "file" ? createHash("sha256").update(content).digest("hex") : "";
    const link = target === undefined ? "" : Buffer.from(target).toString();
    digest.update(`${String(path)}\t${kind}\t${size}\t${link}\t${sha256}\n`);
  }
  return digest.digest("hex");
}

describeFixtures("tar fixtures", () => {
  for (const [path, unit] of expectedUnits("tar").filter(([, each]) => each["codec"] === undefined)) {
    test(`${path}: ${unit.outcome}`, async () => {
      const archive = fixtureBytes(path);
      const listing = await scanTar(memorySource(path, archive), { gapBytes: () => 64 * 1024 }).catch(
        (error: unknown) => {
          expect(error).toMatchObject({ name: "RiffleError", code: "malformed" });
          return undefined;
        },
      );
      if (unit.outcome === "refuse") expect(listing).toBeUndefined();
      if (unit.outcome === "list") expect(listing).toBeDefined();
      if (listing === undefined) return;
      const shown = shownBy(listing, archive);
      checkEntries(unit, listing, shown);
      // In a layer of a plain artifact the names of whiteouts are names like any other.
      if (path === "made/tar/whiteout.tar") return;
      for (const hidden of (unit["notExposed"] ?? []) as readonly string[]) expect(shown.has(hidden)).toBe(false);
      if (unit["entriesSha256"] !== undefined) expect(entriesDigest(listing, archive)).toBe(unit["entriesSha256"]);
    });
  }
});
