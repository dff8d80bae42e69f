import { afterEach, beforeEach, expect, test } from "vitest";
import { createHome, riffle, type Home } from "../support/cli.ts";
import { startProfile } from "../support/registry/matrix.ts";
import type { RegistryOptions } from "../support/registry/options.ts";

let home: Home;
beforeEach(() => void (home = createHome()));
afterEach(() => home.remove());

interface Checked {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly remedy?: string;
}

/** What doctor says of a registry, by name, and what it asked of it beyond opening the artifact. */
async function examine(options: RegistryOptions): Promise<{
  readonly said: Readonly<Record<string, Checked>>;
  readonly requests: number;
  readonly blobBytes: number;
  readonly offences: readonly string[];
}> {
  const { registry, reference } = await startProfile({ name: "examined", traits: [], options });
  try {
    const { code, stdout } = await riffle(["doctor", reference, "--json", "--timeout", "20s"], { home });
    expect(code === 0 || code === 8).toBe(true);
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Checked[] };
    const { requests, kinds, offences } = await registry.counters();
    return {
      said: Object.fromEntries(checks.map((check) => [check.name, check])),
      requests,
      blobBytes: kinds.blob.bytes,
      offences,
    };
  } finally {
    await registry.close();
  }
}

test("a registry that can do everything", async () => {
  const { said, requests, blobBytes, offences } = await examine({ latencyMs: 50 });
  expect(said["ranges"]).toMatchObject({ status: "ok", message: "206: a read fetches the parts that it needs" });
  expect(said["redirects"]).toMatchObject({ status: "ok", message: "none: layers come from the registry" });
  expect(said["head"]).toMatchObject({ status: "ok", message: "200: HEAD of a layer works; riffle never needs it" });
  expect(said["parallel"]?.message).toMatch(/^8 of 8 small ranges answered/);
  expect(said["referrers"]).toMatchObject({ status: "ok", message: "200: by the API" });
  // The opening, /v2/, a range, a HEAD, nine ranges, the referrers.
  expect([requests, blobBytes, offences]).toEqual([14, 2 + 9 * 256, []]);
});

test("a registry that redirects, and says nothing of how long that is good for", async () => {
  const { said, offences } = await examine({ redirect: {} });
  expect(said["redirects"]?.message).toMatch(
    /^layers come from http:\/\/127\.0\.0\.1:\d+, asked without credentials; it does not say how long it lives/,
  );
  expect(said["parallel"]?.message).toMatch(/^8 of 8 small ranges answered/);
  expect(said["head"]?.message).toMatch(/^200: /);
  expect(offences).toEqual([]);
});

test("a registry that ignores ranges is not asked for whole layers again and again", async () => {
  const { said, requests } = await examine({ ranges: false, referrers: false });
  expect(said["ranges"]).toMatchObject({
    status: "warn",
    remedy: expect.stringContaining("a mirror that knows ranges"),
  });
  expect(said["parallel"]).toBeUndefined();
  expect(said["referrers"]).toMatchObject({ status: "ok", message: "no API: by the tag schema" });
  expect(requests).toBe(5);
});

test("a registry that refuses more than four at once, and HEAD", async () => {
  const quirks = { mostAtOnce: 4, headBlob: "refused" } as const;
  const { said, requests } = await examine({ latencyMs: 300, quirks });
  expect(said["parallel"]).toMatchObject({
    status: "warn",
    message: "4 of 8 small ranges answered, 4 refused as too many at once",
    remedy: expect.stringContaining("riffle waits as it is told"),
  });
  expect(said["head"]).toMatchObject({
    status: "ok",
    message: "405: HEAD of a layer is refused; riffle never needs it",
  });
  expect(requests).toBe(14);
});

test("every line names its remedy where there is something to remedy, and tells no secret", async () => {
  const { registry, reference } = await startProfile({
    name: "cold",
    traits: [],
    options: { redirect: {}, quirks: { coldWhole: true } },
  });
  try {
    const { stdout } = await riffle(["doctor", reference], { home });
    expect(stdout).toMatch(/^warn {2}ranges: 200: the registry ignores ranges and sends whole layers \(.+\)$/m);
    expect(stdout).not.toMatch(/X-Signature|\?/);
  } finally {
    await registry.close();
  }
});
