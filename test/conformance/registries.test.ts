import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { faultHome } from "../support/fault-home.ts";
import { mountObstacle } from "../support/processes.ts";
import { BIG_BYTES, matrixRow, startProfile, type MatrixRow } from "../support/registry/matrix.ts";
import { PROFILES } from "../support/registry/profiles.ts";
import { givesWhole, isLimited, registriesPage } from "../support/registry/registries-page.ts";
import { digestOf } from "../../src/bytes/digest.ts";
import { bigBytes } from "../support/registry/matrix.ts";
import { ROOT } from "../support/root.ts";

const PAGE = `${ROOT}docs/REGISTRIES.md`;
const READ_BYTES = BIG_BYTES + "small\n".length;
const rows: MatrixRow[] = [];

describe("the library at", () => {
  test.each(PROFILES)("$name", async (profile) => {
    const row = await matrixRow(profile);
    rows.push(row);
    expect(row.offences).toEqual([]);
    expect([row.right, row.referrers]).toEqual([true, 1]);
    // One token for the repository, not one a layer; a redirect is remembered.
    expect(row.cold.kinds.token.requests).toBeLessThanOrEqual(1);
    expect(row.cold.redirects).toBeLessThanOrEqual(5);
    // A registry that ignores ranges has sent some of the blob more than once before it is told to stop.
    const most = givesWhole(profile) ? 1.5 : 1.05;
    if (!isLimited(profile)) expect(row.cold.kinds.blob.bytes).toBeLessThanOrEqual(most * READ_BYTES);
    expect(row.warm.kinds.blob.requests).toBe(0);
  });

  afterAll(() => {
    if (process.env["UPDATE_DOCS"] === "1" && rows.length === PROFILES.length) {
      writeFileSync(PAGE, registriesPage(rows, READ_BYTES));
    }
  });
});

test("docs/REGISTRIES.md is what was seen", () => {
  expect(rows).toHaveLength(PROFILES.length);
  expect(readFileSync(PAGE, "utf8")).toBe(registriesPage(rows, READ_BYTES));
});

const obstacle = mountObstacle();
describe.skipIf(obstacle !== undefined)(`a mount from${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  test.each(PROFILES)("$name", async (profile) => {
    const home = faultHome();
    const { registry, reference } = await startProfile(profile);
    try {
      const place = home.place("mnt");
      const { username, password, identityToken } = profile.credential ?? {};
      const auth = identityToken === undefined ? Buffer.from(`${username}:${password}`).toString("base64") : undefined;
      const entry = identityToken === undefined ? { auth } : { identitytoken: identityToken };
      const config = `${home.path}/auth.json`;
      writeFileSync(
        config,
        JSON.stringify({ auths: profile.credential === undefined ? {} : { [registry.host]: entry } }),
      );
      const words = ["mount", reference, place, "--registry-config", config, "--timeout", "20s"];
      expect(await home.riffle(words)).toMatchObject({ code: 0, stderr: "" });
      const { stdout } = await home.sh(
        `tail -c 8 ${place}/big.bin | sha256sum; sha256sum < ${place}/big.bin; cat ${place}/small.txt`,
      );
      const [tail, all, small] = stdout
        .toString()
        .split("\n")
        .map((line) => line.slice(0, 64));
      expect([`sha256:${tail}`, `sha256:${all}`, small]).toEqual([
        digestOf(bigBytes(BIG_BYTES - 8, BIG_BYTES)),
        digestOf(bigBytes(0, BIG_BYTES)),
        "small",
      ]);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
      expect((await registry.counters()).offences).toEqual([]);
    } finally {
      await registry.close();
      await home.end();
    }
  });
});
