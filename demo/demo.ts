import { statSync } from "node:fs";
import { join } from "node:path";
import { putArtifact } from "../test/support/artifacts.ts";
import {
  hasProgram,
  mountArtifact,
  mountObstacle,
  riffle,
  riffleHome,
  temporaryFolder,
  type Folder,
  type MountedArtifact,
} from "../test/support/processes.ts";
import { spawnRegistry } from "../test/support/registry/spawn.ts";
import type { RegistryHandle } from "../test/support/registry/server.ts";
import { askFile, type Answer } from "./ask.ts";
import { makeFlights, makePrecipitation } from "./data.ts";
import { askLibrary } from "./library.ts";
import { demoQueries, type DemoFile, type DemoQuery } from "./queries.ts";
import { renderTable, showBytes, showSeconds, showShare, styles } from "./table.ts";

const LATENCY_MS = 20;
/** A link of 100 Mbit/s, all connections together. */
const RATE_BYTES = 12.5e6;
const NAMES: Readonly<Record<DemoFile, string>> = { flights: "flights.parquet", precipitation: "precipitation.tif" };

interface Measured {
  readonly query: DemoQuery;
  readonly answer: Answer;
  readonly moved: number;
  readonly requests: number;
  readonly ms: number;
  readonly pullMs: number;
  readonly right: boolean;
}

interface Stage {
  readonly folder: Folder;
  readonly registry: RegistryHandle;
  readonly references: Readonly<Record<DemoFile, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** Undefined where this machine can mount. */
  readonly obstacle: string | undefined;
  /** What must be undone if the demo is interrupted. */
  readonly mounts: Set<Promise<MountedArtifact>>;
}

const { bold, dim, green, red } = styles(process.stdout.isTTY && process.env["NO_COLOR"] === undefined);
const say = (line = ""): void => void process.stdout.write(`${line}\n`);

/** Mounts with nothing cached, asks, unmounts: the time is what a person waits from nothing to the answer. */
async function throughMount(stage: Stage, query: DemoQuery): Promise<{ readonly answer: Answer; readonly ms: number }> {
  const begun = performance.now();
  const mounting = mountArtifact(stage.references[query.file], stage.folder.sub("mnt"), {
    env: stage.env,
    flags: ["--cache-dir", freshFolder(stage)],
  });
  stage.mounts.add(mounting);
  const mounted = await mounting;
  try {
    const answer = await askFile(join(mounted.path, NAMES[query.file]), query.question);
    return { answer, ms: performance.now() - begun };
  } finally {
    await mounted.unmount();
    stage.mounts.delete(mounting);
  }
}

async function throughLibrary(
  stage: Stage,
  query: DemoQuery,
): Promise<{ readonly answer: Answer; readonly ms: number }> {
  const begun = performance.now();
  const answer = await askLibrary(stage.references[query.file], query.question, {
    path: NAMES[query.file],
    folder: freshFolder(stage),
  });
  return { answer, ms: performance.now() - begun };
}

const freshFolder = (stage: Stage): string => stage.folder.sub(`fresh-${performance.now()}`);

/** Everything at once, then the local file: what there was before riffle. */
async function pull(stage: Stage, file: DemoFile): Promise<{ readonly path: string; readonly ms: number }> {
  const out = stage.folder.sub(`pulled-${file}`);
  const flags = ["--cache-dir", freshFolder(stage), "--quiet"];
  const { status, stderr, ms } = await riffle(["pull", stage.references[file], "-o", out, ...flags], {
    env: stage.env,
  });
  if (status !== 0) throw new Error(`riffle pull: status ${status}: ${stderr.trim()}`);
  return { path: join(out, NAMES[file]), ms };
}

async function measure(stage: Stage, queries: readonly DemoQuery[]): Promise<readonly Measured[]> {
  const pulled = { flights: await pull(stage, "flights"), precipitation: await pull(stage, "precipitation") };
  const measured: Measured[] = [];
  for (const query of queries) {
    const local = pulled[query.file];
    await askFile(local.path, query.question); // programs and libraries come from disk once, for both
    const begun = performance.now();
    const right = await askFile(local.path, query.question);
    const localMs = performance.now() - begun;
    await stage.registry.reset();
    const { answer, ms } = await (stage.obstacle === undefined ? throughMount : throughLibrary)(stage, query);
    const { requests, bytes } = await stage.registry.counters();
    measured.push({
      query,
      answer,
      moved: bytes,
      requests,
      ms,
      pullMs: local.ms + localMs,
      right: answer.proof === right.proof,
    });
  }
  return measured;
}

function show(measured: readonly Measured[], sizes: Readonly<Record<DemoFile, number>>): void {
  const lines = renderTable(
    [
      { title: "query", align: "left" },
      { title: "answer", align: "left" },
      { title: "needed", align: "right" },
      { title: "moved", align: "right" },
      { title: "of file", align: "right" },
      { title: "requests", align: "right" },
      { title: "time", align: "right" },
      { title: "pull + query", align: "right" },
    ],
    measured.map(({ query, answer, moved, requests, ms, pullMs }) => [
      query.name,
      answer.text,
      showBytes(query.needed),
      showBytes(moved),
      showShare(moved, sizes[query.file]),
      String(requests),
      showSeconds(ms),
      showSeconds(pullMs),
    ]),
  );
  say();
  lines.forEach((line, i) => say(i === 0 ? bold(line) : line));
  say();
  const wrong = measured.filter(({ right }) => !right);
  if (wrong.length === 0) say(green("Every answer is the same, to the bit, as that from the whole file."));
  for (const { query } of wrong) say(red(`WRONG: ${query.name} differs from the answer over the whole file`));
}

async function prepare(
  folder: Folder,
  registry: RegistryHandle,
  options: { readonly mounts: boolean },
): Promise<{
  readonly references: Stage["references"];
  readonly sizes: Readonly<Record<DemoFile, number>>;
  readonly queries: readonly DemoQuery[];
}> {
  const data = folder.sub("data");
  const raster = await makePrecipitation(data);
  const paths = { flights: await makeFlights(data), precipitation: raster.file };
  const put = async (file: DemoFile, version: string): Promise<string> => {
    const content = { kind: "file", path: paths[file] } as const;
    const place = { repository: `demo/${file}`, tag: version };
    return (await putArtifact(registry, place, { files: [{ title: NAMES[file], content }] })).reference;
  };
  const references = { flights: await put("flights", "2001"), precipitation: await put("precipitation", "v1") };
  await registry.configure({ latencyMs: LATENCY_MS, totalRate: RATE_BYTES });
  const queries = await demoQueries(
    { flights: paths.flights, layout: raster.layout },
    { gdal: options.mounts && hasProgram("gdal_translate") },
  );
  return {
    references,
    sizes: { flights: statSync(paths.flights).size, precipitation: statSync(paths.precipitation).size },
    queries,
  };
}

async function main(): Promise<boolean> {
  using folder = temporaryFolder("demo");
  await using registry = await spawnRegistry();
  const obstacle = process.argv.includes("--library") ? "as asked with --library" : mountObstacle();
  const mounts: Stage["mounts"] = new Set();
  const undo = async (): Promise<void> => {
    // one that is just coming up is waited for: it would outlive us
    for (const mounting of mounts) await mounting.then((mounted) => mounted.unmount()).catch(() => undefined);
    await registry.close();
    folder.remove();
  };
  const interrupted = (): void => void undo().finally(() => process.exit(130));
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);

  say(bold("riffle: an answer for the bytes that it needs"));
  say(dim("Making a Parquet file and a cloud-optimized GeoTIFF from real tables and a real grid (vega-datasets)..."));
  const { references, sizes, queries } = await prepare(folder, registry, { mounts: obstacle === undefined });
  for (const file of ["flights", "precipitation"] as const)
    say(`  ${references[file].padEnd(44)} ${NAMES[file]}, ${showBytes(sizes[file])}`);
  say(`A registry on this machine, slowed to ${LATENCY_MS} ms a response and ${showBytes(RATE_BYTES)}/s in all.`);
  if (obstacle === undefined) say("Each query: nothing cached, mount, ask through the mounted path, unmount.");
  else {
    say(
      `No mount here (${obstacle}), so the library reads instead: geotiff through a byte source; DuckDB, which wants`,
    );
    say("a path, over a sparse copy that holds the footer and the column chunks it names, and nothing else.");
  }
  const stage = { folder, registry, references, env: riffleHome(folder), obstacle, mounts };
  const measured = await measure(stage, queries);
  show(measured, sizes);
  say(
    dim(
      "needed: footer or header plus the column chunks or tiles. moved, requests: everything that the registry sent, the manifest too.",
    ),
  );
  say(
    dim(
      "time: from nothing, the start of every program included. MB are 10^6 bytes. Times belong to this machine; counts do not.",
    ),
  );
  return measured.every(({ right }) => right);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
