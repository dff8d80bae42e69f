import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { parquetTable } from "../../../src/formats/parquet/table.ts";
import { isRiffleError } from "../../../src/errors.ts";
import { fixtureSource, parquetUnits, type ColumnTruth } from "./fixture-units.ts";
import { renderColumn } from "./render.ts";

const readable = parquetUnits("read");
/** Times past 2262: the truth wraps around, so that only its first value is to be compared. */
const FAR_TIMES = "parquet-testing/data/int96_from_spark.parquet";

interface Content {
  readonly rows: number;
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

async function contentOf(path: string): Promise<Content> {
  await using table = await parquetTable(fixtureSource(path));
  const columns = new Map<string, string[]>();
  let rows = 0;
  for await (const batch of table.scan({})) {
    rows += batch.numRows;
    for (const [at, field] of batch.schema.fields.entries()) {
      columns.set(field.name, [...(columns.get(field.name) ?? []), ...renderColumn(batch, at)]);
    }
  }
  return { rows, columns };
}

function factsOf(values: readonly string[], truth: ColumnTruth): Partial<ColumnTruth> {
  const sha256 = createHash("sha256")
    .update(values.map((value) => `${value}\n`).join(""))
    .digest("hex");
  const facts = { nulls: values.filter((value) => value === "null").length, sha256 };
  if (truth.sum === undefined) return facts;
  const numbers = values.filter((value) => value !== "null").map((value) => BigInt(value));
  const sorted = numbers.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const [min, max] = [sorted[0], sorted.at(-1)];
  return { ...facts, sum: String(numbers.reduce((sum, value) => sum + value, 0n)), min: String(min), max: String(max) };
}

test.skipIf(readable.length === 0).each(readable)(
  "$path is read as its truth says",
  async ({ path, rows, columns }) => {
    const content = await contentOf(path);
    expect(content.rows).toBe(rows);
    expect([...content.columns.keys()]).toEqual(Object.keys(columns));
    if (path === FAR_TIMES) {
      expect(content.columns.get("a")?.[0]).toBe("1704141296123456us");
      return;
    }
    for (const [name, truth] of Object.entries(columns)) {
      const facts = factsOf(content.columns.get(name) ?? [], truth);
      expect({ name, ...truth }).toMatchObject({ name, ...facts });
    }
  },
);

const refused = parquetUnits("refuse");

test.skipIf(refused.length === 0).each(refused)("$path is refused", async ({ path }) => {
  const refusal = await contentOf(path).catch((error: unknown) => error);
  expect(isRiffleError(refusal)).toBe(true);
  expect(refusal).toMatchObject({ code: path.endsWith(".encrypted") ? "unsupported" : "malformed" });
});

const doubtful = parquetUnits("either");

test.skipIf(doubtful.length === 0).each(doubtful)(
  "$path opens, and what cannot be read is refused by name",
  async ({ path, rows }) => {
    await using table = await parquetTable(fixtureSource(path));
    if (path.endsWith(".encrypted")) expect(table.metadata.rows).toBe(rows);
    const refusal = await contentOf(path).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "unsupported" });
  },
);

const settling = parquetUnits("settle");

test.skipIf(settling.length === 0).each(settling)("$path settles", async ({ path }) => {
  const outcome = await contentOf(path).catch((error: unknown) => error);
  if (outcome instanceof Error) expect(isRiffleError(outcome)).toBe(true);
});
