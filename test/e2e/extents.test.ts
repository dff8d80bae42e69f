import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parquetBytes, parquetGroupCount, parquetGroups } from "../../bench/parquet.ts";
import { tiffWindowBytes } from "../../bench/tiff.ts";
import { buildArtifact, seedArtifact } from "../support/artifacts.ts";
import { makeGdalCog, makeParquet, measurements } from "../support/data.ts";
import { PROGRAMS } from "../support/mounted-child.ts";
import {
  hasProgram,
  mountArtifact,
  mountObstacle,
  riffleHome,
  runWell,
  temporaryFolder,
  type Folder,
  type MountedArtifact,
} from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

/** The link that the counts are promised on: a request is worth a megabyte. */
const LINK = { latencyMs: 20, ratePerConnection: 50e6 } as const;
const ROWS = 480_000;
const GROUP_ROWS = 40_960;
const WIDE_COLUMNS = 300;

const obstacle = mountObstacle();

interface Cost {
  readonly answer: string;
  readonly requests: number;
  readonly bytes: number;
}

describe.skipIf(obstacle !== undefined)(
  `programs that know a format, over a mount${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let folder: Folder;
    let registry: RegistryHandle;
    let env: Record<string, string>;
    let last = 0;

    beforeAll(async () => {
      folder = temporaryFolder("extents");
      env = riffleHome(folder);
      registry = await spawnRegistry(LINK);
    });
    afterAll(async () => {
      await registry.close();
      folder.remove();
    });

    const data = (name: string): string => join(folder.sub("data"), name);

    const store = async (path: string, title: string): Promise<string> => {
      const built = await buildArtifact({ files: [{ title, content: { kind: "file", path } }] });
      const place = { repository: `extents/${title.replaceAll(".", "-")}`, tag: "v1" };
      await seedArtifact(registry, place, built);
      return `${registry.host}/${place.repository}:${place.tag}`;
    };

    /** From nothing: mount, one program, unmount. */
    const cold = async (
      reference: string,
      work: (mount: MountedArtifact) => Promise<string>,
      flags: readonly string[] = [],
    ): Promise<Cost> => {
      last += 1;
      const path = folder.sub(`mount-${last}`);
      await registry.reset();
      const mount = await mountArtifact(reference, path, {
        env,
        flags: ["--cache-dir", folder.sub(`cache-${last}`), ...flags],
      });
      try {
        const answer = await work(mount);
        const { requests, kinds } = await registry.counters();
        return { answer, requests, bytes: kinds.blob.bytes };
      } finally {
        await mount.unmount();
      }
    };

    const duckdb = async (sql: string): Promise<string> => {
      const { stdout } = await runWell(process.execPath, [join(PROGRAMS, "duckdb.js"), sql]);
      // printed by that program
      const { rows } = JSON.parse(stdout.toString()) as { readonly rows: unknown };
      return JSON.stringify(rows);
    };

    describe("DuckDB with its defaults", () => {
      let path: string;
      let reference: string;
      beforeAll(async () => {
        path = await makeParquet(data("table.parquet"), measurements(ROWS), { rowGroup: GROUP_ROWS });
        reference = await store(path, "table.parquet");
      });

      const ask = async (sql: string, flags?: readonly string[]): Promise<Cost> => {
        const cost = await cold(
          reference,
          (mount) => duckdb(sql.replace("{}", join(mount.path, "table.parquet"))),
          flags,
        );
        expect(cost.answer).toBe(await duckdb(sql.replace("{}", path)));
        return cost;
      };

      test("sum of one column: each chunk is one request", async () => {
        const groups = await parquetGroupCount(path);
        const needed = await parquetBytes(path, { columns: ["fare"] });
        const { requests, bytes } = await ask("SELECT sum(fare) AS total FROM '{}'");
        expect(groups).toBe(12);
        expect(requests).toBeLessThanOrEqual(groups + 4);
        expect(bytes).toBeLessThanOrEqual(1.15 * needed);
      });

      test("filter on the sorted column, three others", async () => {
        const groups = await parquetGroups(path, { column: "id", low: 210_000, high: 214_800 });
        const needed = await parquetBytes(path, { columns: ["id", "at", "fare", "m3"], groups });
        const { requests, bytes } = await ask(
          `SELECT max("at")::VARCHAR AS latest, sum(fare) AS fare, max(m3) AS m3 FROM '{}' WHERE id BETWEEN 210000 AND 214800`,
        );
        expect(groups).toHaveLength(1);
        expect(requests).toBeLessThanOrEqual(8);
        expect(bytes).toBeLessThanOrEqual(1.3 * needed);
      });

      test("all columns, ten rows", async () => {
        const { requests, bytes } = await ask("SELECT * FROM '{}' LIMIT 10");
        expect(requests).toBeLessThanOrEqual(8);
        expect(bytes).toBeLessThanOrEqual(1.05 * (await parquetBytes(path, { groups: [0] })));
      });

      test("without extents, and frugally, the answers are the same", async () => {
        const needed = await parquetBytes(path, { columns: ["fare"] });
        const plain = await ask("SELECT sum(fare) AS total FROM '{}'", ["--no-extents"]);
        expect(plain.requests).toBeGreaterThan(16);
        const frugal = await ask("SELECT sum(fare) AS total FROM '{}'", ["--frugal"]);
        expect(frugal.bytes).toBeLessThanOrEqual(1.15 * needed);
      });
    });

    test("five columns of 300", async () => {
      const columns = Array.from({ length: WIDE_COLUMNS }, (_, i) => `(hash(i * 31 + ${i}) % 1000)::INTEGER AS c${i}`);
      const path = await makeParquet(data("wide.parquet"), `SELECT ${columns.join(", ")} FROM range(20000) t(i)`, {
        rowGroup: 20_480,
      });
      const wanted = ["c10", "c60", "c61", "c200", "c290"];
      const sql = (file: string): string => `SELECT ${wanted.map((name) => `sum(${name})`).join(", ")} FROM '${file}'`;
      const reference = await store(path, "wide.parquet");
      const { answer, requests, bytes } = await cold(reference, (mount) =>
        duckdb(sql(join(mount.path, "wide.parquet"))),
      );
      expect(answer).toBe(await duckdb(sql(path)));
      expect(requests).toBeLessThanOrEqual(8);
      expect(bytes).toBeLessThanOrEqual(4 * (await parquetBytes(path, { columns: wanted })));
    });

    describe.skipIf(!hasProgram("gdal_translate"))("GDAL with its defaults", () => {
      const SIZE = 4096;
      let path: string;
      let reference: string;
      beforeAll(async () => {
        path = await makeGdalCog(data("scene.tif"), SIZE);
        reference = await store(path, "scene.tif");
      });

      const raw = async (file: string, options: readonly string[]): Promise<string> => {
        const out = folder.sub("out");
        mkdirSync(out, { recursive: true });
        await runWell("gdal_translate", ["-q", "-of", "ENVI", ...options, file, join(out, "window.raw")]);
        const { stdout } = await runWell("sha256sum", [join(out, "window.raw")]);
        return stdout.toString().slice(0, 64);
      };
      const ask = async (options: readonly string[]): Promise<Cost> => {
        const cost = await cold(reference, (mount) => raw(join(mount.path, "scene.tif"), options));
        expect(cost.answer).toBe(await raw(path, options));
        return cost;
      };

      test("a window of 1024 x 1024", async () => {
        const window = { x: 1300, y: 1400, width: 1024, height: 1024 };
        const { requests, bytes } = await ask(["-srcwin", "1300", "1400", "1024", "1024"]);
        expect(requests).toBeLessThanOrEqual(6);
        expect(bytes).toBeLessThanOrEqual(1.1 * tiffWindowBytes(path, window));
      });

      test("an overview", async () => {
        const { requests } = await ask(["-outsize", "12.5%", "12.5%"]);
        expect(requests).toBeLessThanOrEqual(4);
      });
    });
  },
);
