import { expect, test } from "vitest";
import { redirectTarget, urlExpiry } from "../../src/fetch/redirect.ts";

const NOW = Date.parse("2026-01-02T03:04:05Z");
const target = (from: string, location: string | undefined): string =>
  redirectTarget(new URL(from), location, { digest: "sha256:x" }).href;

test.each([
  ["https://registry.example.com/v2/a/blobs/x", "https://cdn.example.net/x?sig=1", "https://cdn.example.net/x?sig=1"],
  [
    "https://registry.example.com/v2/a/blobs/x",
    "/artifacts-downloads/x",
    "https://registry.example.com/artifacts-downloads/x",
  ],
  ["http://localhost:5000/v2/a/blobs/x", "http://127.0.0.1:5001/x", "http://127.0.0.1:5001/x"],
  ["http://registry.lan/v2/a/blobs/x", "http://10.0.0.7:9000/x", "http://10.0.0.7:9000/x"],
  ["https://127.0.0.1:5000/x", "https://cdn.example.net/x", "https://cdn.example.net/x"],
])("%s may lead to %s", (from, location, expected) => {
  expect(target(from, location)).toBe(expected);
});

test.each([
  ["https://registry.example.com/x", "http://cdn.example.net/x"],
  ["https://registry.example.com/x", undefined],
  ["https://registry.example.com/x", "http://["],
  ["https://registry.example.com/x", "file:///etc/passwd"],
  ["https://registry.example.com/x", "https://user:word@cdn.example.net/x"],
  ["https://registry.example.com/x", "https://127.0.0.1/x"],
  ["https://registry.example.com/x", "https://0x7f.1/x"],
  ["https://registry.example.com/x", "https://localhost/x"],
  ["https://registry.example.com/x", "https://10.1.2.3/x"],
  ["https://registry.example.com/x", "https://172.31.0.1/x"],
  ["https://registry.example.com/x", "https://192.168.1.1/x"],
  ["https://registry.example.com/x", "https://169.254.169.254/latest/meta-data"],
  ["https://registry.example.com/x", "https://[::1]/x"],
  ["https://registry.example.com/x", "https://[fe80::1]/x"],
  ["https://registry.example.com/x", "https://[fd00::1]/x"],
  ["https://registry.example.com/x", "https://[::ffff:127.0.0.1]/x"],
  ["https://10.0.0.1/x", "https://169.254.169.254/x"],
])("%s may not lead to %s", (from, location) => {
  expect(() => target(from, location)).toThrow(expect.objectContaining({ code: "misbehaved" }));
});

test("a refusal never shows the query of the address", () => {
  const from = "https://registry.example.com/x";
  expect(() => target(from, "http://cdn.example.net/x?token=SECRET")).toThrow(/^(?!.*SECRET)/);
});

test.each([
  ["X-Amz-Date=20260102T030405Z&X-Amz-Expires=1200", 1_195_000],
  ["x-goog-date=20260102T030405Z&x-goog-expires=600", 595_000],
  [`Expires=${NOW / 1000 + 600}&Signature=x`, 595_000],
  [`exp=${NOW / 1000 + 30}`, 25_000],
  ["se=2026-01-02T03%3A14%3A05Z&sig=x", 595_000],
  [`Expires=${NOW / 1000 + 600}&exp=${NOW / 1000 + 60}`, 55_000],
  ["X-Amz-Date=20260102T030405Z&X-Amz-Expires=604800", 3_595_000],
  ["X-Amz-Date=nonsense&X-Amz-Expires=12", 60_000],
  ["", 60_000],
])("a URL with ?%s is used for %i ms", (query, life) => {
  expect(urlExpiry(new URL(`https://cdn.example.net/x?${query}`), NOW) - NOW).toBe(life);
});
