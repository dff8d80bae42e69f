import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { isRiffleError } from "../../src/errors.ts";
import { formatReference, parseReference, pinnedReference } from "../../src/oci/reference.ts";

const d256 = digestOf(new Uint8Array([1]));
const d512 = digestOf(new Uint8Array([1]), "sha512");
const hub = { kind: "registry", host: "docker.io" } as const;

test.each([
  ["localhost:5000/eo/scenes:v1", { kind: "registry", host: "localhost:5000", repository: "eo/scenes", tag: "v1" }],
  ["localhost/x", { kind: "registry", host: "localhost", repository: "x", tag: "latest" }],
  ["ghcr.io/a/b/c", { kind: "registry", host: "ghcr.io", repository: "a/b/c", tag: "latest" }],
  [`ghcr.io/a/b@${d256}`, { kind: "registry", host: "ghcr.io", repository: "a/b", digest: d256 }],
  [`ghcr.io/a/b@${d512}`, { kind: "registry", host: "ghcr.io", repository: "a/b", digest: d512 }],
  [`ghcr.io/a/b:1.2@${d256}`, { kind: "registry", host: "ghcr.io", repository: "a/b", tag: "1.2", digest: d256 }],
  ["[::1]:5000/x:y", { kind: "registry", host: "[::1]:5000", repository: "x", tag: "y" }],
  ["[2001:db8::1]/x", { kind: "registry", host: "[2001:db8::1]", repository: "x", tag: "latest" }],
  ["127.0.0.1:5000/x", { kind: "registry", host: "127.0.0.1:5000", repository: "x", tag: "latest" }],
  ["GHCR.IO/a/b:V1", { kind: "registry", host: "ghcr.io", repository: "a/b", tag: "V1" }],
  ["alpine", { ...hub, repository: "library/alpine", tag: "latest" }],
  ["alpine:3.19", { ...hub, repository: "library/alpine", tag: "3.19" }],
  [`alpine@${d256}`, { ...hub, repository: "library/alpine", digest: d256 }],
  ["eo/scenes", { ...hub, repository: "eo/scenes", tag: "latest" }],
  ["docker.io/alpine", { ...hub, repository: "library/alpine", tag: "latest" }],
  ["index.docker.io/a/b", { ...hub, repository: "a/b", tag: "latest" }],
  ["registry:5000/a", { kind: "registry", host: "registry:5000", repository: "a", tag: "latest" }],
  ["h.io/a__b/c-d/e.f_g---h", { kind: "registry", host: "h.io", repository: "a__b/c-d/e.f_g---h", tag: "latest" }],
  ["oci:dir", { kind: "layout", directory: "dir", tag: "latest" }],
  ["oci:/a/b c:v1", { kind: "layout", directory: "/a/b c", tag: "v1" }],
  ["oci:./d:docker.io/library/x:1", { kind: "layout", directory: "./d", tag: "docker.io/library/x:1" }],
  [`oci:/d@${d256}`, { kind: "layout", directory: "/d", digest: d256 }],
  [`oci:/d:t@${d512}`, { kind: "layout", directory: "/d", tag: "t", digest: d512 }],
  ["oci:data@v2:north", { kind: "layout", directory: "data@v2", tag: "north" }],
  ["oci:/home/me@work/d", { kind: "layout", directory: "/home/me@work/d", tag: "latest" }],
])("%s", (text, expected) => {
  const reference = parseReference(text);
  expect(reference).toEqual(expected);
  expect(parseReference(formatReference(reference))).toEqual(reference);
  const pinned = parseReference(pinnedReference(reference, d256));
  const { tag: _tag, ...rest } = reference;
  expect(pinned).toEqual({ ...rest, digest: d256 });
});

test.each([
  ["", /empty/],
  ["https://ghcr.io/a/b", /starts with https:\/\//],
  ["oci://ghcr.io/a/b", /starts with oci:\/\//],
  ["ghcr.io", /no repository/],
  ["localhost:5000", /no repository/],
  ["localhost:5000/", /no repository/],
  ["[::1]:5000", /no repository/],
  ["ghcr.io/A/b", /lower case/],
  ["ghcr.io/a//b", /empty part/],
  ["ghcr.io/a/b/", /empty part/],
  ["ghcr.io/a/../b", /"\.\."/],
  ["ghcr.io/a/b:", /tag after : is empty/],
  ["ghcr.io/a/b:-x", /"-x" is not a tag/],
  [`ghcr.io/a:${"x".repeat(129)}`, /is not a tag/],
  ["ghcr.io/a b", /white space/],
  ["ghcr.io/a\u0000b", /control/],
  ["ghcr.io/a@sha256:abc", /not a digest/],
  [`ghcr.io/a@${d256.toUpperCase()}`, /not a digest/],
  [`ghcr.io/a@${d256}@${d256}`, /not a digest/],
  ["ghcr.io:0/a", /port/],
  ["ghcr.io:99999/a", /port/],
  ["ghcr.io:x/a", /port/],
  ["[::g]/a", /IPv6/],
  ["-bad.io/a", /host name/],
  ["a..b/c", /host name/],
  [`h.io/${"a/".repeat(150)}b`, /longer than 255/],
  ["x".repeat(5000), /longer than 4096/],
  ["oci:", /no directory/],
  ["oci::t", /no directory/],
  ["oci:d:", /tag after : is empty/],
  ["oci:d@sha256:zz", /not a digest/],
  ["oci:d@sha256", /not a digest/],
])("refuses %s", (text, why) => {
  try {
    parseReference(text);
    expect.fail("it was taken");
  } catch (error) {
    if (!isRiffleError(error)) throw error;
    expect(error.code).toBe("usage");
    expect(error.message).toMatch(why);
    expect(error.message.length).toBeLessThan(500);
  }
});

describe("fuzz", () => {
  const piece = fc.constantFrom(
    "a",
    "A",
    "ghcr.io",
    ":",
    "/",
    "@",
    "[",
    "]",
    "::1",
    "5000",
    ".",
    "-",
    "_",
    "oci:",
    d256,
    "sha256:",
    "sha1",
    " ",
  );
  test("any text is a reference that survives formatting, or a usage error", () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        let reference;
        try {
          reference = parseReference(text);
        } catch (error) {
          return isRiffleError(error) && error.code === "usage";
        }
        expect(parseReference(formatReference(reference))).toEqual(reference);
        return true;
      }),
      { numRuns: 2000 },
    );
  });
});
