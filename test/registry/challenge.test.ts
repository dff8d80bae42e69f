import fc from "fast-check";
import { expect, test } from "vitest";
import { parseChallenges } from "../../src/registry/challenge.ts";

const plain = (header: string): unknown[] =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test.each<[string, unknown[]]>([
  ["", []],
  ["Basic", [["basic", {}]]],
  ['Basic realm="x"', [["basic", { realm: "x" }]]],
  [
    'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
    [["bearer", { realm: "https://a/t", service: "s", scope: "repository:x:pull,push" }]],
  ],
  [
    'Bearer realm="r", Basic',
    [
      ["bearer", { realm: "r" }],
      ["basic", {}],
    ],
  ],
  [
    'Basic realm="b", Bearer realm="r",service=s',
    [
      ["basic", { realm: "b" }],
      ["bearer", { realm: "r", service: "s" }],
    ],
  ],
  [
    'Negotiate, Bearer realm="r"',
    [
      ["negotiate", {}],
      ["bearer", { realm: "r" }],
    ],
  ],
  [
    'Negotiate YWJj==, Basic realm="b"',
    [
      ["negotiate", {}],
      ["basic", { realm: "b" }],
    ],
  ],
  ['BEARER REALM = "a\\"b" , error="invalid_token"', [["bearer", { realm: 'a"b', error: "invalid_token" }]]],
  ['Bearer realm="a", realm="b"', [["bearer", { realm: "a" }]]],
  ['Bearer realm="never closed', [["bearer", { realm: "never closed" }]]],
  [',,, Basic ,,realm="x",', [["basic", { realm: "x" }]]],
  ["Bearer realm=https://a/t", [["bearer", { realm: "https://a/t" }]]],
  ['realm="x"', []],
  ["\u0001\u0002Basic", [["basic", {}]]],
])("%j", (header, expected) => expect(plain(header).slice(0, expected.length)).toEqual(expected));

test("what was written is read back, however the headers are joined", () => {
  const name = fc.constantFrom("realm", "service", "scope", "error", "x-y");
  const value = fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[^\u0020-\u007e]/g, ""));
  const challenge = fc.record({
    scheme: fc.constantFrom("basic", "bearer", "digest", "negotiate"),
    parameters: fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 5 }), (challenges) => {
      const header = challenges
        .map(({ scheme, parameters }) => {
          const list = parameters.map(([key, text]) => `${key}="${text.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`);
          return [scheme, list.join(", ")].join(list.length === 0 ? "" : " ");
        })
        .join(", ");
      expect(plain(header)).toEqual(
        challenges.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
      );
    }),
    { numRuns: 500 },
  );
});

test("any text ends, and quickly", () => {
  const piece = fc.constantFrom('"', "\\", ",", "=", " ", "a", "Bearer", "realm", "==", "\t", "\u00ff");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("")),
      ),
      (header) => {
        expect(parseChallenges(header).length).toBeLessThanOrEqual(header.length);
      },
    ),
    { numRuns: 1000 },
  );
  for (const unit of ['"', "a=", "a ", ",", "\\", 'a="', "= "]) {
    expect(parseChallenges(unit.repeat(1_000_000)).length).toBeLessThanOrEqual(16 * 1024);
  }
});
