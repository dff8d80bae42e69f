import { expect, test } from "vitest";
import { digestOf, isDigest, parseDigest, verifyDigest } from "../../src/bytes/digest.ts";

const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

test("known digests", () => {
  expect(digestOf(new Uint8Array())).toBe(empty);
  expect(digestOf(new TextEncoder().encode("abc"), "sha512").slice(0, 23)).toBe("sha512:ddaf35a193617aba");
});

test.each([
  "",
  "sha256:",
  empty.toUpperCase(),
  `${empty}0`,
  `md5:${"0".repeat(32)}`,
  `${empty}:x`,
  `sha512:${"0".repeat(64)}`,
  // Members that every object has name no algorithm.
  "__proto__:ab",
  "constructor:ab",
])("%s is no digest", (text) => {
  expect(isDigest(text)).toBe(false);
  expect(() => parseDigest(text, "layer")).toThrow(/layer is not a sha256/);
});

test("other bytes are refused, and both digests are named", () => {
  const wrong = (): void => verifyDigest(new Uint8Array([1]), parseDigest(empty), "manifest");
  expect(wrong).toThrow(expect.objectContaining({ code: "verification" }));
  expect(wrong).toThrow(/expected sha256:e3b0.*got sha256:4bf5/);
  verifyDigest(new Uint8Array(), parseDigest(empty), "manifest");
});
