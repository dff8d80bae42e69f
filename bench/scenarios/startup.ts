import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RIFFLE, runWell } from "../../test/support/processes.ts";
import { ROOT } from "../../test/support/root.ts";
import type { Bench } from "../context.ts";
import { atMost, median, repeat, type Scenario } from "../scenario.ts";

const PAIRS = 15;
const HEAVY = /\/node_modules\/(?:undici|apache-arrow|parquet-wasm|hyparquet|koffi|fuse-native)\/|\.wasm\b|WebAssembly/;

async function loaded(bench: Bench, flag: string): Promise<readonly string[]> {
  const list = join(bench.freshFolder(), "modules");
  await runWell(process.execPath, ["--import", `${ROOT}dist-tools/bench/probes/module-list.js`, RIFFLE, flag], {
    env: { RIFFLE_MODULE_LIST: list },
  });
  const modules = existsSync(list) ? readFileSync(list, "utf8").trim().split("\n") : [];
  if (!modules.some((module) => module.endsWith("dist/cli/main.js")))
    throw new Error("the list of modules does not name riffle itself");
  return modules;
}

export const startup: Scenario = {
  name: "startup",
  title: "riffle --help and --version",
  async run(bench) {
    const modules = [...(await loaded(bench, "--help")), ...(await loaded(bench, "--version"))];
    const heavy = [...new Set(modules.filter((module) => HEAVY.test(module)))];
    const pairs = await repeat(PAIRS, async () => ({
      nothing: (await runWell(process.execPath, ["-e", "0"])).ms,
      version: (await runWell(process.execPath, [RIFFLE, "--version"])).ms,
      help: (await runWell(process.execPath, [RIFFLE, "--help"])).ms,
    }));
    const nothing = median(pairs.map((pair) => pair.nothing));
    const version = median(pairs.map((pair) => pair.version));
    const help = median(pairs.map((pair) => pair.help));
    return {
      checks: [
        atMost("count", { what: "modules of wasm, Arrow, undici or a native library", value: heavy.length, limit: 0 }),
        atMost("aim", { what: "--version to `node -e 0`", value: version / nothing, limit: 1.6, unit: "x" }),
        atMost("aim", { what: "--help to `node -e 0`", value: help / nothing, limit: 1.6, unit: "x" }),
      ],
      facts: { versionMs: version, helpMs: help, nodeMs: nothing, modules: new Set(modules).size },
      notes: heavy.slice(0, 5).map((module) => `loaded: ${module}`),
    };
  },
};
