import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isDigest } from "../../src/bytes/digest.ts";
import { isRiffleError } from "../../src/errors.ts";
import { parseManifest } from "../../src/oci/parse-manifest.ts";
import { BAD_MANIFESTS, MANIFEST_TYPE, buildIndex, describe as describeBytes } from "../support/artifacts.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";

let registry: RegistryHandle;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

/** What a client fetched, parsed; the error where it refused. */
async function outcome(name: string, mediaType: string, text: string): Promise<unknown> {
  const bytes = Buffer.from(text);
  const tag = name.replaceAll(/\W+/g, "-");
  await registry.addManifest("bad", { mediaType, bytes, tag });
  const response = await fetch(`${registry.url}/v2/bad/manifests/${tag}`);
  const descriptor = { ...describeBytes(bytes, mediaType), annotations: {} };
  try {
    return parseManifest(new Uint8Array(await response.arrayBuffer()), descriptor);
  } catch (error) {
    return error;
  }
}

/** Read all the same, because nothing in them can mislead. */
const HARMLESS = new Set(["annotation not text"]);

describe("a manifest that breaks its format is refused as such, or nothing of it is believed", () => {
  test.each(Object.entries(BAD_MANIFESTS))("%s", async (name, text) => {
    const result = await outcome(name, MANIFEST_TYPE, text);
    if (isRiffleError(result)) {
      expect(result.code).toBe("malformed");
      expect(result.message).not.toContain("\n");
      return;
    }
    expect(HARMLESS.has(name), `${name} was read`).toBe(true);
    // not an error, so it is what parseManifest returned
    const { layers } = result as { layers: readonly { digest: string; size: number }[] };
    for (const { digest, size } of layers) expect([isDigest(digest), Number.isSafeInteger(size)]).toEqual([true, true]);
  });
});

test("an index whose entry lies about its type is still only an index", async () => {
  const { bytes, descriptor } = buildIndex([describeBytes(Buffer.from("{}"), MANIFEST_TYPE)]);
  const result = await outcome("index", descriptor.mediaType, Buffer.from(bytes).toString());
  expect(result).toMatchObject({ kind: "index", manifests: [{ mediaType: MANIFEST_TYPE, size: 2 }] });
});
