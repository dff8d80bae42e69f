import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { ArrayReader } from "../../../src/formats/array.ts";
import { zarrDirectory } from "../../../src/formats/zarr/module.ts";
import { readAll, type WholeArray } from "../../support/arrays.ts";
import { describeFixtures, expectedUnits, fixturePath } from "../../support/expected.ts";
import { directoryFiles } from "../../support/file-set.ts";

interface ExpectedArray {
  readonly outcome: string;
  readonly shape?: readonly number[];
  readonly chunks?: readonly number[];
  readonly sha256?: string;
  readonly window?: { readonly start: readonly number[]; readonly stop: readonly number[]; readonly sha256?: string };
}

function digest({ data, strings, dtype }: WholeArray): string {
  const hash = createHash("sha256");
  for (const text of dtype.startsWith("<U") ? fixedTexts(data, Number(dtype.slice(2))) : [])
    hash.update(`x${Buffer.from(text).toString("hex")}\n`);
  if (dtype.startsWith("<U")) return hash.digest("hex");
  if (dtype !== "|O" && dtype !== "bytes") return hash.update(data).digest("hex");
  const encoding = dtype === "bytes" ? "latin1" : "utf8";
  for (const text of strings) hash.update(`x${Buffer.from(text ?? "", encoding).toString("hex")}\n`);
  return hash.digest("hex");
}

/** Without the zeros at their ends, as NumPy gives them. */
function fixedTexts(data: Uint8Array, length: number): readonly string[] {
  const codes = new Uint32Array(new Uint8Array(data).buffer);
  return Array.from({ length: codes.length / length }, (_, i) =>
    String.fromCodePoint(...codes.subarray(i * length, (i + 1) * length)).replace(/\0+$/, ""),
  );
}

async function outcomeOf(
  open: () => Promise<ArrayReader>,
  name: string,
): Promise<WholeArray | { code: unknown; message: string }> {
  try {
    return await readAll(await open(), { name });
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    return { code, message };
  }
}

describeFixtures("public Zarr hierarchies", () => {
  test.each(expectedUnits("zarr"))("%s", async (path, unit) => {
    const files = directoryFiles(fixturePath(path));
    const open = (): Promise<ArrayReader> => zarrDirectory.array(files);
    const arrays = Object.entries(unit["arrays"] as Readonly<Record<string, ExpectedArray>>);
    if (unit.outcome === "group") {
      expect((await open()).metadata.arrays).toEqual([]);
      return;
    }
    for (const [name, expected] of arrays) {
      const found = await outcomeOf(open, name);
      if (expected.outcome === "read") {
        expect(found).not.toHaveProperty("message");
        const whole = found as WholeArray;
        expect(whole.shape).toEqual(expected.shape);
        expect(`${name} ${digest(whole)}`).toBe(`${name} ${expected.sha256}`);
        const { window } = expected;
        if (window?.sha256 === undefined) continue;
        const slice = window.start.map((start, axis) => `${start}:${window.stop[axis]}`).join(",");
        expect(digest(await readAll(await open(), { name, slice }))).toBe(window.sha256);
        continue;
      }
      if (expected.outcome.startsWith("refuse")) expect(found).toMatchObject({ code: "malformed" });
      else if ("message" in found) expect(found.code).toBe("unsupported");
    }
    if (unit.outcome === "refuse-data") expect((await open()).metadata.arrays.length).toBe(arrays.length);
    if (unit.outcome === "read") {
      const { facts } = await zarrDirectory.info(files);
      expect(facts["arrays"]).toHaveLength(arrays.length);
    }
  });
});
