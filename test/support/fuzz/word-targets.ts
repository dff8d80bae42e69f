import { Bool, Field, Float64, Int32, Schema, Struct, TimestampMicrosecond, Utf8 } from "apache-arrow";
import {
  parseBands,
  parseBox,
  parseLimit,
  parseNames,
  parsePixelSize,
  parseTile,
  parseWindow,
} from "../../../src/cli/query/words.ts";
import {
  formatBytes,
  parseAge,
  parseDuration,
  parseSize,
  parseWantedRange,
  rangeWithin,
} from "../../../src/cli/quantities.ts";
import { treePath } from "../../../src/cli/tree-path.ts";
import { namesProxy, proxyFor } from "../../../src/fetch/http-proxy.ts";
import { bindPredicate } from "../../../src/formats/predicate/bind-predicate.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import { parseSlice, slicedShape } from "../../../src/formats/slice.ts";
import { parseTimestamp } from "../../../src/layers/created.ts";
import { selectsFile, startSelection } from "../../../src/layers/globs.ts";
import { parsePlatform } from "../../../src/oci/platform.ts";
import { formatReference, parseReference } from "../../../src/oci/reference.ts";
import { textOf, utf8, type FuzzTarget } from "./target.ts";

const SCHEMA = new Schema([
  Field.new("a", new Int32(), true),
  Field.new("name", new Utf8(), true),
  Field.new("x", new Float64(), true),
  Field.new("ok", new Bool(), true),
  Field.new("at", new TimestampMicrosecond(), true),
  Field.new("s", new Struct([Field.new("b", new Utf8(), true)]), true),
]);

const where: FuzzTarget = {
  name: "where",
  maxBytes: 4096,
  words: [
    " AND ",
    " OR ",
    "NOT ",
    " IN (",
    " BETWEEN ",
    " IS NULL",
    " LIKE '%a_'",
    "'",
    '"',
    "(",
    ")",
    "1e400",
    "--",
    "/*",
    "*/",
    "::int",
    "DATE '2024-01-01'",
    "s.b",
    "$1",
    "E'\\x'",
    "interval '1 day'",
    "<>",
    ";",
  ],
  seeds: () =>
    [
      "a > 5 AND name = 'x'",
      "x BETWEEN 1.5 AND 2e3 OR NOT (ok IS TRUE)",
      "a IN (1, 2, 3) AND name LIKE 'a%'",
      "s.b = 'y' AND \"name\" IS NOT NULL",
      "at >= TIMESTAMP '2024-01-01 00:00:00' /* c */ AND at < '2025-01-01'",
    ].map(utf8),
  run: async (input) => void bindPredicate(await parsePredicate(textOf(input)), SCHEMA),
};

const globs: FuzzTarget = {
  name: "globs",
  words: ["**", "*", "?", "[a-c]", "[!", "]", "\\", "/", "..", "**/", "*a", "[]]"],
  seeds: () => ["*.tif", "data/**/x[a-c]?.csv", "/a/b/", "**", "a\\*b"].map(utf8),
  run: async (input, tried) => {
    const pattern = textOf(input);
    const paths = [
      "a/b/c.tif",
      `${"a".repeat(255)}/${"b".repeat(255)}`,
      `${"a/".repeat(500)}x`,
      pattern.slice(0, 4000),
    ];
    for (const path of paths) {
      await tried(() => selectsFile(startSelection({ include: [pattern] }), path));
      await tried(() => selectsFile(startSelection({ exclude: pattern.split(",") }), path));
    }
  },
};

const reference: FuzzTarget = {
  name: "reference",
  words: ["docker.io", "localhost:5000", "@sha256:", ":v1", "oci:", "..", "//", "[::1]:5000", "%2f", "A", "__"],
  seeds: () =>
    [
      "registry.example.com/eo/scenes:v1",
      "localhost:5000/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "oci:/data/layout:v1",
      "ubuntu",
    ].map(utf8),
  run: (input) => {
    const found = parseReference(textOf(input));
    const again = formatReference(parseReference(formatReference(found)));
    if (again !== formatReference(found)) throw new Error("a reference that does not survive formatting");
  },
};

/** Everything else that is typed: sizes, durations, ranges, boxes, windows, slices, paths, platforms, times. */
const typed: FuzzTarget = {
  name: "typed",
  words: [
    "1e309",
    "0x10",
    "9007199254740993",
    "10G",
    "1.5T",
    "60s",
    "10ms",
    "-",
    ":",
    ",",
    "...",
    "linux/arm64",
    "Z",
    "::-1",
  ],
  seeds: () =>
    [
      "10G",
      "1h",
      "0-99",
      "-1,2,3.5,4e2",
      "0:10,:,5",
      "a/b/../c",
      "linux/arm/v7",
      "2026-01-02T03:04:05.6Z",
      "3/4/2",
      'a,"b,c"',
      "http://user:pw@proxy:3128",
      ".example.com,10.0.0.0/8,[::1]:80",
    ].map(utf8),
  run: async (input, tried) => {
    const text = textOf(input);
    for (const parse of [parseSize, parseDuration, parseAge, parseLimit])
      await tried(() => {
        const value = parse(text);
        if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${value} is no number`);
        formatBytes(value);
      });
    await tried(() => {
      const { start, end } = rangeWithin(parseWantedRange(text), 1000);
      if (!(start >= 0 && start <= end && end <= 1000)) throw new Error(`[${start}, ${end}) is not within`);
    });
    for (const parse of [
      parseBox,
      parseWindow,
      parsePixelSize,
      parseBands,
      parseTile,
      parseNames,
      treePath,
      parsePlatform,
    ])
      await tried(() => parse(text));
    await tried(() => {
      const shape = slicedShape(parseSlice(text, { shape: [7, 1, 1000] }));
      if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0))
        throw new Error("a shape that is none");
    });
    const time = parseTimestamp(text);
    if (time !== undefined && !Number.isFinite(time)) throw new Error("a time that is none");
    const settings = { HTTPS_PROXY: text, NO_PROXY: text };
    if (namesProxy(settings)) await tried(() => proxyFor(new URL("https://a.example.com:444/"), settings));
  },
};

export const WORD_TARGETS: readonly FuzzTarget[] = [where, globs, reference, typed];
