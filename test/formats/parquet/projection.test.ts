import { DataType, type Data, type Field } from "apache-arrow";
import { expect, test } from "vitest";
import { extractField } from "../../../src/formats/parquet/extract-field.ts";
import { parquetTable } from "../../../src/formats/parquet/table.ts";
import type { TableReader } from "../../../src/formats/table.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { fixtureSource, parquetUnits } from "./fixture-units.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { isValid } from "../../../src/formats/parquet/extract-field.ts";
import { render, renderColumn } from "./render.ts";

/** Paths of all fields below structs. */
function pathsOf(field: Field): readonly (readonly string[])[] {
  const type = field.type as DataType;
  if (!DataType.isStruct(type)) return [[field.name]];
  return [[field.name], ...type.children.flatMap((child) => pathsOf(child).map((path) => [field.name, ...path]))];
}

/** The slow way: down from the top for every row. */
function valueAt(data: Data, { row, path }: { readonly row: number; readonly path: readonly string[] }): string {
  const [name, ...rest] = path;
  if (name === undefined) return render(data, row);
  if (!isValid(data, row)) return "null";
  const at = data.type.children.findIndex((field) => field.name === name);
  const child = data.children[at];
  return child === undefined ? "missing" : valueAt(child, { row, path: rest });
}

async function allRows(table: TableReader, columns?: readonly string[]): Promise<readonly (readonly string[])[]> {
  const rows: (readonly string[])[] = [];
  for await (const batch of table.scan(columns === undefined ? {} : { columns })) {
    const rendered = batch.schema.fields.map((_, at) => renderColumn(batch, at));
    for (let row = 0; row < batch.numRows; row++) rows.push(rendered.map((column) => column[row] ?? ""));
  }
  return rows;
}

const nested = parquetUnits("read").filter(({ path }) =>
  /nested|overture|bbox|struct|variant\/case-0|repeated_no|naip/.test(path),
);

test.skipIf(FIXTURES === undefined).each(nested)("fields below structs in $path are read alone", async ({ path }) => {
  const source = fixtureSource(path);
  await using table = await parquetTable(source);
  for await (const batch of table.scan({})) {
    const paths = batch.schema.fields.flatMap((field) => pathsOf(field)).filter((one) => one.length > 1);
    for (const one of paths.slice(0, 40)) {
      const top = batch.schema.fields.findIndex((field) => field.name === one[0]);
      const column = batch.data.children[top];
      if (column === undefined) throw new Error("no column");
      const expected = Array.from({ length: batch.numRows }, (_, row) => valueAt(column, { row, path: one.slice(1) }));
      const alone = await allRows(table, [one.join(".")]);
      expect({ one, rows: alone.slice(0, expected.length).map(([value]) => value) }).toEqual({ one, rows: expected });
      expect(
        Array.from({ length: batch.numRows }, (_, row) => render(extractField(column, one.slice(1)), row)),
      ).toEqual(expected);
    }
    break;
  }
});

test.skipIf(FIXTURES === undefined)(
  "columns come in the order asked for, twice where asked twice, and cost their own bytes",
  async () => {
    const inner = fixtureSource("parquet-testing/data/alltypes_plain.parquet");
    const source = loggedSource(await inner.read({ start: 0, end: inner.size }));
    await using table = await parquetTable(source);
    const all = await allRows(table);
    const names = table.metadata.columns.map(({ name }) => name);
    source.reset();
    const asked = ["timestamp_col", "id", "float_col", "id"];
    const rows = await allRows(table, asked);
    expect(rows).toEqual(all.map((row) => asked.map((name) => row[names.indexOf(name)])));
    expect(source.calls.flat().length).toBe(3);
  },
);

test.skipIf(FIXTURES === undefined)("columns that are not encrypted can be read beside those that are", async () => {
  await using table = await parquetTable(
    fixtureSource("parquet-testing/data/encrypt_columns_plaintext_footer.parquet.encrypted"),
  );
  const rows = await allRows(table, ["int32_field"]);
  expect(rows.length).toBe(50);
  expect(rows[7]?.[0]).toBe("7ms");
  await expect(allRows(table, ["double_field"])).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("encrypted") as string,
  });
});
