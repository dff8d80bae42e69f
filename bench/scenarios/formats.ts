import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeGdalCog, makeParquet, measurements, query } from "../../test/support/data.ts";
import { hasProgram, runWell } from "../../test/support/processes.ts";
import type { ArtifactSpec } from "../../test/support/artifacts.ts";
import type { Bench } from "../context.ts";
import { measurePeers, vsicurl } from "../peers.ts";
import { curl, duckdb } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Scenario } from "../scenario.ts";
import { tiffWindowBytes } from "../tiff.ts";

interface Sample {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
}

const fileSpec = (title: string, path: string): ArtifactSpec => ({
  files: [{ title, content: { kind: "file", path } }],
});

/** Mount to answer, from nothing; a wrong answer is an error. */
async function coldAnswer(
  bench: Bench,
  reference: string,
  work: { readonly ask: (folder: string) => Promise<string>; readonly right: string },
): Promise<Sample> {
  await bench.registry.reset();
  const begun = performance.now();
  const mounted = await bench.mount(reference);
  const answer = await work.ask(mounted.path);
  const ms = performance.now() - begun;
  await mounted.unmount();
  if (answer !== work.right) throw new Error("the answer through the mount is wrong");
  const { requests, kinds } = await bench.registry.counters();
  return { ms, requests, bytes: kinds.blob.bytes };
}

/** One connection for the whole file, then the same question: what there was before. */
async function pulledAnswer(
  bench: Bench,
  file: { readonly url: string; readonly title: string },
  work: { readonly ask: (folder: string) => Promise<string>; readonly right: string },
): Promise<number> {
  const folder = bench.freshFolder();
  const begun = performance.now();
  await curl(file.url, join(folder, file.title));
  if ((await work.ask(folder)) !== work.right) throw new Error("the answer over the pulled file is wrong");
  return performance.now() - begun;
}

const TABLE = "trips.parquet";
const makeTable = (bench: Bench): Promise<string> =>
  makeParquet(join(bench.folder, "table-1800k.parquet"), measurements(1_800_000), { rowGroup: 122_880 });

export const parquetColumn: Scenario = {
  name: "parquet-column",
  title: "DuckDB: sum of one column of a 20-column Parquet file of about 120 MB",
  async run(bench) {
    const path = await makeTable(bench);
    const { reference, layers } = await bench.store("table", async () => fileSpec(TABLE, path));
    const sql = (file: string): string => `SELECT sum(fare) AS total FROM '${file}'`;
    const ask = async (folder: string): Promise<string> => (await duckdb(sql(join(folder, TABLE)))).rows;
    const right = (await duckdb(sql(path))).rows;
    const needed = await columnBytes(path, "fare");
    const url = `${bench.registry.url}/v2/bench/table/blobs/${layers[0]?.digest}`;
    const pairs = await repeat(bench.runs, async () => ({
      riffle: await coldAnswer(bench, reference, { ask, right }),
      pullMs: await pulledAnswer(bench, { url, title: TABLE }, { ask, right }),
    }));
    const bytes = Math.max(...pairs.map(({ riffle }) => riffle.bytes));
    const requests = Math.max(...pairs.map(({ riffle }) => riffle.requests));
    const faster = median(pairs.map(({ riffle, pullMs }) => pullMs / riffle.ms));
    return {
      checks: [
        atMost("count", {
          what: "blob bytes to the column's chunks and the footer",
          value: bytes / needed,
          limit: 1.3,
          unit: "x",
        }),
        atMost("count", { what: "requests", value: requests, limit: 40 }),
        atLeast("aim", { what: "faster than a full pull and the query", value: faster, limit: 5, unit: "x" }),
      ],
      facts: {
        ms: median(pairs.map(({ riffle }) => riffle.ms)),
        pullMs: median(pairs.map(({ pullMs }) => pullMs)),
        bytes,
        needed,
        requests,
      },
      peers: await measurePeers(bench, "table", async (folder) => {
        const begun = performance.now();
        if ((await ask(folder)) !== right) throw new Error("wrong answer");
        return performance.now() - begun;
      }),
    };
  },
};

async function columnBytes(path: string, column: string): Promise<number> {
  const rows = await query(
    `SELECT sum(total_compressed_size)::BIGINT::VARCHAR AS bytes FROM parquet_metadata('${path}') WHERE path_in_schema = '${column}'`,
  );
  const footer = readFileSync(path).subarray(-8).readUInt32LE(0) + 8;
  return Number(rows[0]?.["bytes"]) + footer;
}

const SCENE = "scene.tif";
const WINDOW = { x: 5000, y: 5100, width: 1024, height: 1024 } as const;

export const cogWindow: Scenario = {
  name: "cog-window",
  title: "GDAL: a 1024 x 1024 window of a cloud-optimized GeoTIFF of 10,980 x 10,980",
  obstacle: () => (hasProgram("gdal_translate") ? undefined : "no gdal_translate (package gdal-bin)"),
  async run(bench) {
    const path = await makeGdalCog(join(bench.folder, "scene-10980.tif"), 10_980);
    const { reference, layers } = await bench.store("scene", async () => fileSpec(SCENE, path));
    const window = async (file: string, config: readonly string[] = []): Promise<string> => {
      const out = join(bench.freshFolder(), "window.tif");
      const numbers = [WINDOW.x, WINDOW.y, WINDOW.width, WINDOW.height].map(String);
      await runWell("gdal_translate", ["-q", ...config, "-of", "GTiff", "-srcwin", ...numbers, file, out]);
      return readFileSync(out).toString("base64");
    };
    const ask = (folder: string): Promise<string> => window(join(folder, SCENE));
    const right = await window(path);
    const needed = tiffWindowBytes(path, WINDOW);
    const url = `${bench.registry.url}/v2/bench/scene/blobs/${layers[0]?.digest}`;
    const pairs = await repeat(bench.runs, async () => ({
      riffle: await coldAnswer(bench, reference, { ask, right }),
      pullMs: await pulledAnswer(bench, { url, title: SCENE }, { ask, right }),
    }));
    const bytes = Math.max(...pairs.map(({ riffle }) => riffle.bytes));
    const faster = median(pairs.map(({ riffle, pullMs }) => pullMs / riffle.ms));
    const checked = async (answer: Promise<string>): Promise<number> => {
      const begun = performance.now();
      if ((await answer) !== right) throw new Error("wrong answer");
      return performance.now() - begun;
    };
    return {
      checks: [
        atMost("count", {
          what: "blob bytes to the header and the window's tiles",
          value: bytes / needed,
          limit: 1.3,
          unit: "x",
        }),
        atLeast("aim", { what: "faster than a full pull and the window", value: faster, limit: 10, unit: "x" }),
      ],
      facts: {
        ms: median(pairs.map(({ riffle }) => riffle.ms)),
        pullMs: median(pairs.map(({ pullMs }) => pullMs)),
        bytes,
        needed,
      },
      peers: [
        ...(await measurePeers(bench, "scene", (folder) => checked(ask(folder)))),
        ...(await vsicurl(bench, `scene/${SCENE}`, (file, config) => checked(window(file, config)))),
      ],
    };
  },
};
