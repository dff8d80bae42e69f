import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hasProgram, runWell } from "../../test/support/processes.ts";
import { coldAnswer, fileSpec, pulledAnswer } from "../answers.ts";
import type { Bench } from "../context.ts";
import { SCENE, scenePath } from "../data.ts";
import { measurePeers, vsicurl } from "../peers.ts";
import { atLeast, atMost, median, repeat, type Scenario } from "../scenario.ts";
import { tiffWindowBytes } from "../tiff.ts";

const WINDOW = { x: 5000, y: 5100, width: 1024, height: 1024 } as const;
const OVERVIEW = ["-outsize", "6.25%", "6.25%"] as const;

const obstacle = (): string | undefined =>
  hasProgram("gdal_translate") ? undefined : "no gdal_translate (package gdal-bin)";

/** The pixels of a part of a file, as a GeoTIFF. */
async function pixels(bench: Bench, file: string, options: readonly string[]): Promise<string> {
  const out = join(bench.freshFolder(), "out.tif");
  await runWell("gdal_translate", ["-q", "-of", "GTiff", ...options, file, out]);
  return readFileSync(out).toString("base64");
}

export const cogWindow: Scenario = {
  name: "cog-window",
  title: "GDAL: a 1024 x 1024 window of a cloud-optimized GeoTIFF of 10,980 x 10,980",
  obstacle,
  async run(bench) {
    const path = await scenePath(bench);
    const { reference, layers } = await bench.store("scene", async () => fileSpec(SCENE, path));
    const numbers = [WINDOW.x, WINDOW.y, WINDOW.width, WINDOW.height].map(String);
    const window = (file: string, config: readonly string[] = []): Promise<string> =>
      pixels(bench, file, [...config, "-srcwin", ...numbers]);
    const ask = (folder: string): Promise<string> => window(join(folder, SCENE));
    const right = await window(path);
    const needed = tiffWindowBytes(path, WINDOW);
    const url = `${bench.registry.url}/v2/bench/scene/blobs/${layers[0]?.digest}`;
    const pairs = await repeat(bench.runs, async () => ({
      riffle: await coldAnswer(bench, reference, { ask, right }),
      pullMs: await pulledAnswer(bench, { url, title: SCENE }, { ask, right }),
    }));
    const bytes = Math.max(...pairs.map(({ riffle }) => riffle.bytes));
    const requests = Math.max(...pairs.map(({ riffle }) => riffle.requests));
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
          limit: 1.1,
          unit: "x",
        }),
        atMost("count", { what: "requests", value: requests, limit: 6 }),
        atLeast("aim", { what: "faster than a full pull and the window", value: faster, limit: 20, unit: "x" }),
      ],
      facts: {
        ms: median(pairs.map(({ riffle }) => riffle.ms)),
        pullMs: median(pairs.map(({ pullMs }) => pullMs)),
        bytes,
        needed,
        requests,
      },
      peers: [
        ...(await measurePeers(bench, "scene", (folder) => checked(ask(folder)))),
        ...(await vsicurl(bench, `scene/${SCENE}`, (file, config) => checked(window(file, config)))),
      ],
    };
  },
};

export const cogOverview: Scenario = {
  name: "cog-overview",
  title: "GDAL: the same scene at a sixteenth of its size",
  obstacle,
  async run(bench) {
    const path = await scenePath(bench);
    const { reference } = await bench.store("scene", async () => fileSpec(SCENE, path));
    const ask = (folder: string): Promise<string> => pixels(bench, join(folder, SCENE), OVERVIEW);
    const right = await pixels(bench, path, OVERVIEW);
    const samples = await repeat(bench.runs, () => coldAnswer(bench, reference, { ask, right }));
    const requests = Math.max(...samples.map((sample) => sample.requests));
    const bytes = Math.max(...samples.map((sample) => sample.bytes));
    return {
      checks: [atMost("count", { what: "requests", value: requests, limit: 4 })],
      facts: { ms: median(samples.map(({ ms }) => ms)), bytes, requests },
    };
  },
};
