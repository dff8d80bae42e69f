import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { renderTable } from "../demo/table.ts";
import { mountObstacle } from "../test/support/processes.ts";
import { ROOT } from "../test/support/root.ts";
import { LATENCY_MS, openBench, RATE_BYTES, type Bench } from "./context.ts";
import { isGate, type Scenario, type ScenarioResult } from "./scenario.ts";
import { far } from "./scenarios/far.ts";
import { cogOverview, cogWindow } from "./scenarios/formats.ts";
import { httpfsColumn, httpfsFilter } from "./scenarios/httpfs.ts";
import { pointLookup, wideGroups } from "./scenarios/lookup.ts";
import { memory, mmapTouches, treeWalk, warmRandom } from "./scenarios/local.ts";
import { mountReady } from "./scenarios/mount.ts";
import { parquetColumn, parquetFilter, parquetHead, parquetWide } from "./scenarios/parquet.ts";
import { arrayTensor, rasterOverview, rasterWindow } from "./scenarios/queries.ts";
import { randomParallel, randomReads } from "./scenarios/random.ts";
import { manyProcesses, millionFiles } from "./scenarios/scale.ts";
import { reread, sequential } from "./scenarios/sequential.ts";
import { npySlice, zarrSlice } from "./scenarios/slices.ts";
import { startup } from "./scenarios/startup.ts";
import { tableColumn, tableFilter, tableFilterPages, tableLimit } from "./scenarios/tables.ts";
import { tensor } from "./scenarios/tensor.ts";

const SCENARIOS: readonly Scenario[] = [
  startup,
  mountReady,
  randomReads,
  randomParallel,
  sequential,
  far,
  reread,
  parquetColumn,
  parquetFilter,
  parquetHead,
  parquetWide,
  httpfsColumn,
  httpfsFilter,
  pointLookup,
  wideGroups,
  cogWindow,
  cogOverview,
  tableColumn,
  tableFilter,
  tableFilterPages,
  tableLimit,
  rasterWindow,
  rasterOverview,
  arrayTensor,
  npySlice,
  zarrSlice,
  tensor,
  mmapTouches,
  warmRandom,
  treeWalk,
  memory,
  manyProcesses,
  millionFiles,
];

const USAGE = `usage: npm run bench -- [--only NAME]... [--runs N] [--latency MS] [--peers] [--json FILE]
scenarios: ${SCENARIOS.map(({ name }) => name).join(" ")}`;

interface Outcome {
  readonly name: string;
  readonly title: string;
  readonly result?: ScenarioResult;
  readonly error?: string;
  readonly skipped?: string;
}

const say = (line = ""): void => void process.stdout.write(`${line}\n`);

async function outcomeOf(bench: Bench, scenario: Scenario): Promise<Outcome> {
  const { name, title } = scenario;
  const skipped = scenario.obstacle?.(bench);
  if (skipped !== undefined) return { name, title, skipped };
  try {
    return { name, title, result: await scenario.run(bench) };
  } catch (error) {
    return { name, title, error: error instanceof Error ? error.message : String(error) };
  }
}

function show({ name, title, result, error, skipped }: Outcome): void {
  say(`\n${name}: ${title}`);
  if (skipped !== undefined) say(`  SKIPPED: ${skipped}`);
  if (error !== undefined) say(`  FAILED: ${error}`);
  if (result === undefined) return;
  const rows = result.checks.map((check) => {
    const verdict = isGate(check) ? (check.pass ? "pass" : "FAIL") : check.pass ? "reached" : "not reached";
    return [check.kind, check.what, check.must, check.measured, verdict];
  });
  const left = (head: string) => ({ title: head, align: "left" }) as const;
  const right = (head: string) => ({ title: head, align: "right" }) as const;
  const checks = renderTable([left("kind"), left("scenario"), right("must"), right("measured"), left("pass")], rows);
  for (const line of checks) say(`  ${line}`);
  if (result.peers !== undefined && result.peers.length > 0) {
    say();
    const peers = result.peers.map(({ name: peer, ms, requests, bytes }) => [
      peer,
      `${(ms / 1000).toFixed(2)} s`,
      String(requests),
      `${(bytes / 1e6).toFixed(2)} MB`,
    ]);
    for (const line of renderTable([left("peer"), right("time"), right("requests"), right("sent")], peers))
      say(`  ${line}`);
  }
  for (const note of result.notes ?? []) say(`  note: ${note}`);
}

function machine(): Readonly<Record<string, string | number>> {
  const commit = (() => {
    try {
      return execFileSync("git", ["-C", ROOT, "rev-parse", "HEAD"], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
    } catch {
      return "unknown";
    }
  })();
  return { commit, node: process.version, kernel: release(), cpus: availableParallelism(), memory: totalmem() };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      runs: { type: "string", default: "3" },
      latency: { type: "string", default: String(LATENCY_MS) },
      peers: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const runs = Number(values.runs);
  const latencyMs = Number(values.latency);
  const wanted = SCENARIOS.filter(({ name }) => values.only === undefined || values.only.includes(name));
  const unknown = (values.only ?? []).filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (values.help || unknown.length > 0 || !Number.isInteger(runs) || runs < 1 || !(latencyMs >= 0)) {
    say(unknown.length > 0 ? `no such scenario: ${unknown.join(", ")}\n${USAGE}` : USAGE);
    return values.help ? 0 : 2;
  }
  const obstacle = mountObstacle();
  if (obstacle !== undefined) {
    say(`bench: cannot mount: ${obstacle}`);
    return 2;
  }
  say(
    `link: ${latencyMs} ms before each response, ${RATE_BYTES / 1e6} MB/s a connection; medians of ${runs}; nothing cached unless a scenario says so`,
  );
  const bench = await openBench({ runs, peers: values.peers, latencyMs });
  const close = (): void => void bench.close().finally(() => process.exit(130));
  process.once("SIGINT", close);
  process.once("SIGTERM", close);
  const outcomes: Outcome[] = [];
  try {
    for (const scenario of wanted) {
      const outcome = await outcomeOf(bench, scenario);
      outcomes.push(outcome);
      show(outcome);
    }
  } finally {
    await bench.close();
  }
  return conclude(outcomes, { runs, latencyMs, file: values.json });
}

function conclude(
  outcomes: readonly Outcome[],
  options: { readonly runs: number; readonly latencyMs: number; readonly file: string | undefined },
): number {
  const checks = outcomes.flatMap(({ result }) => result?.checks ?? []);
  const gates = checks.filter(isGate);
  const failed = gates.filter(({ pass }) => !pass).length + outcomes.filter(({ error }) => error !== undefined).length;
  const skipped = outcomes.filter((outcome) => outcome.skipped !== undefined).length;
  const aims = checks.filter(({ kind }) => kind === "aim");
  if (options.file !== undefined) {
    const link = { latencyMs: options.latencyMs, ratePerConnection: RATE_BYTES };
    writeFileSync(
      options.file,
      `${JSON.stringify({ machine: machine(), link, runs: options.runs, outcomes }, undefined, 2)}\n`,
    );
  }
  say(`\naims: ${aims.filter(({ pass }) => pass).length} of ${aims.length} reached (no gate)`);
  say(`${gates.filter(({ pass }) => pass).length} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
