import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { hasProgram, runWell } from "../../test/support/processes.ts";
import { fileSpec } from "../answers.ts";
import { SCENE, scenePath, smallScenePath } from "../data.ts";
import { askLibrary, queryResult, type Limits } from "../library.ts";
import { MODEL, modelLayout, modelPath, smallModelPath } from "../model.ts";
import { vsicurl } from "../peers.ts";
import type { QueryTask } from "../probes/query.ts";
import type { Scenario } from "../scenario.ts";
import { tiffWindowBytes } from "../tiff.ts";

const SMALL_WINDOW = [0, 0, 64, 64] as const;
const WINDOW = [5000, 5100, 1024, 1024] as const;

function rasterScenario(
  name: string,
  title: string,
  work: { readonly window: QueryTask["query"] & { readonly kind: "raster" }; readonly limits: Omit<Limits, "needed"> },
): Scenario {
  return {
    name,
    title,
    obstacle: () => (hasProgram("gdal_translate") ? undefined : "no gdal_translate (package gdal-bin)"),
    async run(bench) {
      const path = await scenePath(bench);
      const small = await smallScenePath(bench);
      const { reference } = await bench.store("scene", async () => fileSpec(SCENE, path));
      const warm = await bench.store("small-scene", async () => fileSpec(SCENE, small));
      const { window, size } = work.window;
      const [x, y, width, height] = window;
      const sizeWords = size === undefined ? [] : ["-outsize", ...size.map(String)];
      const translate = async (file: string, form: string, config: readonly string[] = []): Promise<string> => {
        const out = join(bench.freshFolder(), "window");
        const words = [x, y, width, height].map(String);
        await runWell("gdal_translate", ["-q", ...config, "-of", form, "-srcwin", ...words, ...sizeWords, file, out]);
        return out;
      };
      const pixels = new Uint16Array(new Uint8Array(readFileSync(await translate(path, "ENVI"))).buffer);
      const right = { count: pixels.length, sum: pixels.reduce((total, value) => total + value, 0) };
      const needed =
        size === undefined ? tiffWindowBytes(path, { x, y, width, height }) : await overviewBytes(path, size[0]);
      const timed = async (file: string, config: readonly string[]): Promise<number> => {
        const begun = performance.now();
        await translate(file, "GTiff", config);
        return performance.now() - begun;
      };
      const task = {
        reference,
        path: SCENE,
        query: work.window,
        warm: { reference: warm.reference, query: { kind: "raster", window: SMALL_WINDOW } },
      } as const;
      return queryResult(bench, {
        one: () => askLibrary(bench, task, right),
        limits: { ...work.limits, needed },
        peers: await vsicurl(bench, `scene/${SCENE}`, timed),
      });
    },
  };
}

/** The bytes of a whole reduced image and of the header, by the format's own index. */
async function overviewBytes(path: string, width: number): Promise<number> {
  const { openRaster } = await import("../../src/index.ts");
  const { memorySource } = await import("../../src/bytes/source.ts");
  await using reader = await openRaster(memorySource("sha256:scene", new Uint8Array(readFileSync(path))));
  const { width: fullWidth, height: fullHeight } = reader.metadata;
  const height = Math.ceil((width * fullHeight) / fullWidth);
  const window = { x: 0, y: 0, width: fullWidth, height: fullHeight };
  return (await reader.plan({ window, size: { width, height } })).bytesNeeded;
}

export const rasterWindow: Scenario = rasterScenario(
  "raster-window",
  "riffle raster: a 1024 x 1024 window of a cloud-optimized GeoTIFF of 10,980 x 10,980",
  { window: { kind: "raster", window: WINDOW }, limits: { ratio: 1.05, requests: 4 } },
);

export const rasterOverview: Scenario = rasterScenario("raster-overview", "riffle raster: all of it at 1/16", {
  window: { kind: "raster", window: [0, 0, 10_980, 10_980], size: [686, 686] },
  limits: { ratio: 1.05, requests: 4 },
});

const WANTED = 31;

export const arrayTensor: Scenario = {
  name: "array-tensor",
  title: "riffle array: one tensor of 60",
  async run(bench) {
    const path = await modelPath(bench);
    const small = await smallModelPath(bench);
    const { reference } = await bench.store("model", async () => fileSpec(MODEL, path));
    const warm = await bench.store("small-model", async () => fileSpec(MODEL, small));
    const { header, tensors } = modelLayout();
    const wanted = tensors[WANTED];
    if (wanted === undefined) throw new Error("no such tensor");
    const bytes = Buffer.alloc(wanted.end - wanted.start);
    const file = openSync(path, "r");
    readSync(file, bytes, 0, bytes.length, header.length + wanted.start);
    closeSync(file);
    const right = { count: bytes.length, sum: bytes.reduce((total, byte) => total + byte, 0) };
    const task = {
      reference,
      path: MODEL,
      query: { kind: "array", name: wanted.name },
      warm: { reference: warm.reference, query: { kind: "array", name: tensors[0]?.name ?? "" } },
    } as const;
    return queryResult(bench, {
      one: () => askLibrary(bench, task, right),
      limits: { needed: bytes.length + header.length, ratio: 1.01, requests: 8 },
    });
  },
};
