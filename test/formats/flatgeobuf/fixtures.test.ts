import { createHash } from "node:crypto";
import type { RecordBatch } from "apache-arrow";
import { expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { flatgeobuf } from "../../../src/formats/flatgeobuf/module.ts";
import { flatgeobufTable } from "../../../src/formats/flatgeobuf/reader.ts";
import type { TableQuery, TableReader } from "../../../src/formats/table.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { coordinatesOf } from "./wkb-coordinates.ts";

/** Facts of expected.json (fixtures/README.md section 3). */
interface Facts {
  readonly outcome: string;
  readonly features: number;
  readonly vertices?: number;
  readonly coordinatesSha256?: string;
  readonly fields: readonly string[];
  readonly headerBytes: number;
  readonly geometryType: string;
  readonly columns?: Readonly<Record<string, ColumnFacts>>;
  readonly bboxQuery?: { readonly bbox: readonly string[]; readonly featuresWhoseBoxIntersects: number };
}

interface ColumnFacts {
  readonly type: string;
  readonly nulls?: number;
  readonly sum?: string;
  readonly min?: string;
  readonly max?: string;
  readonly sha256?: string;
}

const units = expectedUnits("flatgeobuf").map(([path, unit]) => [path, unit as unknown as Facts] as const);

describeFixtures("every FlatGeobuf fixture", () => {
  test.each(units.filter(([, { outcome }]) => outcome === "read"))("%s", async (path, facts) => {
    const source = loggedSource(fixtureBytes(path), path);
    await using reader = await flatgeobufTable(source);
    const batches = await all(reader);
    const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
    expect(rows).toBe(facts.features);
    expect(reader.metadata.columns.map(({ name }) => name)).toEqual([...facts.fields, "geometry"]);
    const vertices = batches
      .flatMap((batch) => values(batch, "geometry"))
      .flatMap((wkb) => coordinatesOf(wkb as Uint8Array | null));
    if (facts.coordinatesSha256 !== undefined) {
      expect(vertices.length / 2).toBe(facts.vertices);
      expect(sha256(new Uint8Array(Float64Array.from(vertices).buffer))).toBe(facts.coordinatesSha256);
    }
    for (const [name, column] of Object.entries(facts.columns ?? {}))
      checkColumn(
        batches.flatMap((batch) => values(batch, name)),
        column,
      );
    const info = await flatgeobuf.info(source);
    expect(info.facts["geometry"]).toBe(facts.geometryType);
    expect(info.facts["columns"]).toHaveLength(facts.fields.length);
  });

  test.each(units.filter(([, { bboxQuery }]) => bboxQuery !== undefined))(
    "%s by a box",
    async (path, { bboxQuery }) => {
      const [west = NaN, south = NaN, east = NaN, north = NaN] = (bboxQuery?.bbox ?? []).map(Number);
      await using reader = await flatgeobufTable(loggedSource(fixtureBytes(path), path));
      const batches = await all(reader, { bbox: { west, south, east, north } });
      expect(batches.reduce((sum, batch) => sum + batch.numRows, 0)).toBe(bboxQuery?.featuresWhoseBoxIntersects);
    },
  );

  test.each(units.filter(([, { outcome }]) => outcome === "refuse" || outcome === "either"))(
    "%s is refused",
    async (path) => {
      const thrown: unknown = await flatgeobufTable(loggedSource(fixtureBytes(path), path))
        .then(all)
        .catch((error: unknown) => error);
      // The second has had its bytes below 32 replaced by spaces, its count of features among them.
      const why = path.includes("curvepolygon_linestring")
        ? "feature 0: a CurvePolygon whose ring has 3 vertices"
        : "2105376 features";
      expect(isRiffleError(thrown) && thrown.message).toContain(why);
      expect(thrown).toMatchObject({ code: "malformed" });
    },
  );
});

async function all(reader: TableReader, query: TableQuery = {}): Promise<readonly RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for await (const batch of reader.scan(query)) batches.push(batch);
  return batches;
}

function values(batch: RecordBatch, name: string): readonly unknown[] {
  return [...(batch.getChild(name) ?? [])] as unknown[];
}

function checkColumn(found: readonly unknown[], facts: ColumnFacts): void {
  if (facts.nulls !== undefined) expect(found.filter((value) => value === null)).toHaveLength(facts.nulls);
  const integers = facts.sum === undefined ? [] : found.map((value) => BigInt(value as number | bigint));
  if (facts.sum !== undefined) expect(String(integers.reduce((sum, value) => sum + value, 0n))).toBe(facts.sum);
  if (facts.sha256 === undefined) return;
  // Floats are digested as doubles, texts as fixtures/README.md section 3 renders them.
  const text = (value: unknown): string =>
    typeof value === "string" ? `x${Buffer.from(value).toString("hex")}` : "null";
  const isFloat = facts.type.startsWith("float");
  const content = isFloat
    ? new Uint8Array(Float64Array.from(found, Number).buffer)
    : found.map((value) => `${text(value)}\n`).join("");
  expect(sha256(content)).toBe(facts.sha256);
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
