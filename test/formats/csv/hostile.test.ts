import { expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { csvTable } from "../../../src/formats/csv/reader.ts";
import { ndjsonTable } from "../../../src/formats/ndjson/reader.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";

const MIB = 1024 * 1024;

test.each([
  ["delimiters alone", ",".repeat(MIB), "a row of 1048577 fields"],
  ["one name very often", `${"a,".repeat(15_000)}a\n${"1,".repeat(15_000)}1\n`, undefined],
  ["quotes alone", '"'.repeat(4001), "quote"],
  ["zeros", "\0".repeat(4000), undefined],
  ["line ends alone", "\n".repeat(4000), undefined],
])("%s: an answer, soon", async (_, text, message) => {
  const thrown: unknown = await csvTable(loggedSource(Buffer.from(text)))
    .then((reader) => readCsv(reader))
    .catch((error: unknown) => error);
  if (message === undefined) expect(thrown).toBeTypeOf("string");
  else expect(isRiffleError(thrown) && thrown.message).toContain(message);
});

test.each(["csv", "ndjson"] as const)("any bytes as %s: rows, or an error that is one", async (format) => {
  let seed = 77;
  const random = (below: number): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
  const pieces = [
    '"',
    ",",
    "\n",
    "\r",
    ";",
    "a",
    "1",
    '{"a":',
    "}",
    "[",
    "]",
    ":",
    "null",
    "é",
    "-",
    "e9",
    "\\u0000",
    "\\",
    " ",
    "\t",
    "9007199254740993",
  ];
  const open = format === "csv" ? csvTable : ndjsonTable;
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: 1 + random(30) }, () => pieces[random(pieces.length)]).join("");
    const bytes = Buffer.from(
      round % 10 === 0 ? text.replaceAll("é", "\xe9") : text,
      round % 10 === 0 ? "latin1" : "utf8",
    );
    const thrown: unknown = await open(loggedSource(bytes))
      .then((reader) => readCsv(reader))
      .catch((error: unknown) => error);
    if (!isRiffleError(thrown)) expect(thrown).toBeTypeOf("string");
  }
});
