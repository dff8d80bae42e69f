import type { RandomColumn } from "./random-predicates.ts";

/** A row in `modulo` is null, by a hash that each column salts for itself. */
function nullable(salt: number, sql: string, modulo = 9): string {
  return `CASE WHEN hash(i + ${salt}) % ${modulo} = 0 THEN NULL ELSE ${sql} END`;
}

/** SQL of DuckDB for a table of every type that compares, with nulls, bounds and oddities; `r` numbers the rows. */
export function everyType(rows: number): string {
  const h = (salt: number, modulo: number): string => `(hash(i * 7 + ${salt}) % ${modulo})::BIGINT`;
  return `SELECT i::INTEGER AS r,
    ${nullable(1, `(${h(1, 256)} - 128)::TINYINT`)} AS i8,
    ${nullable(2, `(${h(2, 40)} - 20)::INTEGER`)} AS i32,
    ${nullable(3, `CASE ${h(3, 7)} WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9007199254740993 ELSE ${h(4, 100)}::BIGINT - 50 END`)} AS i64,
    ${nullable(5, `CASE ${h(5, 5)} WHEN 0 THEN 18446744073709551615 ELSE ${h(6, 100)}::UBIGINT END::UBIGINT`)} AS u64,
    ${nullable(7, `${h(7, 65536)}::USMALLINT`)} AS u16,
    ${nullable(8, `CASE ${h(8, 9)} WHEN 0 THEN 'nan'::FLOAT WHEN 1 THEN '-inf'::FLOAT ELSE (${h(9, 60)}::INTEGER - 30)::FLOAT / 10 END`)} AS f32,
    ${nullable(10, `CASE ${h(10, 9)} WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN 'inf'::DOUBLE WHEN 2 THEN '-0.0'::DOUBLE ELSE (${h(11, 60)}::INTEGER - 30)::DOUBLE / 10 END`)} AS f64,
    ${nullable(12, `(${h(12, 400)}::INTEGER - 200)::DECIMAL(5,1) / 10`)}::DECIMAL(5,1) AS m5,
    ${nullable(13, `((${h(13, 4000)}::INTEGER - 2000)::DECIMAL(18,3) / 100)::DECIMAL(18,3)`)} AS m18,
    ${nullable(14, `CASE ${h(14, 4)} WHEN 0 THEN 1234567890123456789012345678.1234567891 ELSE -(${h(15, 50)}::INTEGER)::DECIMAL(38,10) END::DECIMAL(38,10)`)} AS m38,
    ${nullable(16, `CASE ${h(16, 8)} WHEN 0 THEN '' WHEN 1 THEN 'ü' || ${h(17, 20)} WHEN 2 THEN 'Zürich' WHEN 3 THEN chr(128512) ELSE 'item_' || ${h(18, 60)} END`)} AS s,
    ${nullable(19, `${h(19, 2)} = 0`)} AS b,
    ${nullable(20, `DATE '1969-12-01' + (${h(20, 60)})::INTEGER`)} AS d,
    ${nullable(21, `TIMESTAMP '1969-12-31 23:59:59.999999' + to_microseconds(${h(21, 5)}::BIGINT) + to_days(${h(22, 3)}::INTEGER)`)} AS ts,
    ${nullable(23, `make_timestamp_ns(1700000000123456780 + ${h(23, 20)}::BIGINT)`)} AS tn,
    ${nullable(24, `TIMESTAMPTZ '2024-03-31 00:00:00+00' + to_hours(${h(24, 5)}::INTEGER)`)} AS tz,
    ${nullable(25, `TIME '12:00:00' + to_seconds(${h(25, 5)}::INTEGER)`)} AS t,
    ${nullable(26, `{'a': ${nullable(27, `${h(27, 10)}::SMALLINT`, 5)}, 'b': ${nullable(28, `'k' || ${h(28, 4)}`, 5)}, 'c c': {'x': ${h(29, 100)}::DOUBLE / 4}}`)} AS st,
    ${nullable(30, `unhex(printf('%02X%02X', ${h(30, 4)}::INTEGER, 255 - ${h(31, 3)}::INTEGER))`)} AS bl,
    ${nullable(32, `('00000000-0000-4000-8000-00000000000' || ${h(32, 10)})::UUID`)} AS u,
    ${nullable(33, `[${h(33, 3)}::INTEGER, NULL]`)} AS lst,
    'p' || (i % 3) AS dict,
    i::BIGINT * 3 AS sorted
  FROM range(${rows}) t(i)`;
}

/** What may be asked of its columns so that DuckDB and we mean the same. */
export const EVERY_TYPE: readonly RandomColumn[] = [
  { name: "i8", literals: ["0", "-128", "127", "5", "-3", "1000", "12.5", "'7'"], peers: ["i32", "i64", "m5"] },
  {
    name: "i32",
    literals: ["0", "-20", "19", "3", "2.0", "2.5", "99999999999", "-1", "7", "'-5'"],
    peers: ["i8", "f64", "m18"],
  },
  {
    name: "i64",
    literals: [
      "9223372036854775807",
      "-9223372036854775808",
      "9007199254740993",
      "9007199254740992",
      "0",
      "10",
      "-7.5",
    ],
    peers: ["i8", "i32", "u64", "sorted"],
  },
  {
    name: "u64",
    literals: ["18446744073709551615", "18446744073709551614", "0", "-1", "50", "9223372036854775808"],
    peers: ["u16", "i32"],
  },
  { name: "u16", literals: ["0", "65535", "30000", "70000", "-5", "1024"] },
  { name: "f32", literals: ["0.1", "-1.5", "2", "0", "'nan'", "'-inf'", "1.2", "-2.9"], peers: ["f64"] },
  {
    name: "f64",
    literals: ["0.1", "-1.5", "2", "0", "-0.0", "'nan'", "'Infinity'", "1e0", "2.5e-1", "1.2"],
    peers: ["f32", "i32", "m5"],
  },
  { name: "m5", literals: ["0", "1.5", "-1.9", "1.55", "3", "-2", "10e0"], peers: ["m18", "i8", "f64"] },
  { name: "m18", literals: ["0.01", "-12.34", "7", "19.999", "5.0005", "-20"], peers: ["m5", "i32"] },
  {
    name: "m38",
    literals: ["1234567890123456789012345678.1234567891", "-7", "0", "-3.5", "1234567890123456789012345678.1234567890"],
  },
  {
    name: "s",
    literals: ["''", "'item_1'", "'item_30'", "'Zürich'", "'ü1'", "'~'", "'j'", "'😀'"],
    patterns: [
      "'item_%'",
      "'%1'",
      "'_'",
      "'%ü%'",
      "'item_1_'",
      "'Zürich'",
      "''",
      "'%'",
      "'i%m%3%'",
      "'__rich'",
      "'_%'",
    ],
    peers: ["st.b", "dict"],
  },
  { name: "b", literals: ["true", "false"], isTruth: true },
  {
    name: "d",
    literals: [
      "DATE '1970-01-01'",
      "'1969-12-15'",
      "TIMESTAMP '1970-01-10 12:00:00'",
      "DATE '1969-12-01'",
      "DATE '9999-12-31'",
    ],
    peers: ["ts"],
  },
  {
    name: "ts",
    literals: [
      "TIMESTAMP '1970-01-01 00:00:00'",
      "TIMESTAMP '1969-12-31 23:59:59.999999'",
      "'1970-01-01 00:00:00.000002'",
      "DATE '1970-01-02'",
    ],
    peers: ["d", "tn"],
  },
  {
    name: "tn",
    literals: [
      "'2023-11-14 22:13:20.123456785'",
      "'2023-11-14 22:13:20.12345679'",
      "TIMESTAMP '2023-11-14 22:13:20.123456'",
    ],
  },
  {
    name: "tz",
    literals: [
      "TIMESTAMPTZ '2024-03-31 01:00:00+00'",
      "TIMESTAMPTZ '2024-03-31 04:00:00+02:00'",
      "'2024-03-31 03:00:00+00'",
    ],
  },
  { name: "t", literals: ["'12:00:00'", "'12:00:03'", "'11:59:59.5'", "'12:00:02'"] },
  { name: "st.a", literals: ["0", "5", "-1", "9", "4.5"], peers: ["i8"] },
  { name: "st.b", literals: ["'k1'", "'k'", "'k3'"], patterns: ["'k%'", "'_2'"], peers: ["s"] },
  { name: 'st."c c".x', literals: ["0", "12.25", "20", "0.25"], peers: ["f64"] },
  { name: "st", literals: [] },
  { name: "lst", literals: [] },
  { name: "bl", literals: ["'\\x00\\xFF'", "'\\x01'", "'\\x02\\xFE'"] },
  { name: "u", literals: ["'00000000-0000-4000-8000-000000000003'", "'00000000-0000-4000-8000-000000000009'"] },
  { name: "dict", literals: ["'p0'", "'p1'", "'q'"], patterns: ["'p%'", "'%2'"], peers: ["s"] },
  { name: "sorted", literals: ["0", "300", "1500", "2999", "1000.5"], peers: ["i64"] },
];
