import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isRiffleError } from "../../../src/errors.ts";
import { seededRandom } from "../damage.ts";
import { mutate, type MutateOptions } from "./mutate.ts";
import { mutateJson } from "./mutate-json.ts";
import type { FuzzTarget } from "./target.ts";

export interface Finding {
  readonly kind: "error" | "slow" | "memory";
  readonly says: string;
  readonly input: Uint8Array;
}

export interface RunOptions {
  readonly seed: number;
  /** Ends at whichever comes first. */
  readonly runs: number;
  readonly deadlineMs: number;
  /** Told of each input before it is tried, so that one that never comes back is known. */
  readonly onInput: (input: Uint8Array) => void;
  readonly onFinding: (finding: Finding) => void;
}

export interface RunReport {
  readonly runs: number;
  /** Answers that differ: texts of refusals, numbers aside. */
  readonly outcomes: number;
  readonly slowestMs: number;
  readonly slowestBytes: number;
  /** Largest growth of heap and buffers in one run. */
  readonly growthBytes: number;
}

/** A run over this is a hang to whoever waits for it. */
export const SLOW_MS = 2000;
const DEFAULT_BYTES = 16 * 1024;
const DEFAULT_GROWTH_BYTES = 16 * 1024 * 1024;
/** What is decoded from text to objects takes some dozens of bytes for each. */
const GROWTH_PER_BYTE = 64;
/** What every object answers to, so that no table of ours is asked for it in vain. */
const MEMBERS = ["__proto__", "constructor", "toString"];
const MAX_CORPUS = 400;
const MAX_FINDINGS = 5;

interface Outcome {
  readonly key: string;
  readonly failure: string | undefined;
  readonly ms: number;
  readonly growth: number;
}

/** Tries mutations of the seeds, and of inputs that were answered in a new way. The same seed gives the same inputs. */
export async function runTarget(target: FuzzTarget, options: RunOptions): Promise<RunReport> {
  const random = seededRandom(options.seed ^ hashOf(target.name));
  const corpus: Uint8Array[] = (await target.seeds()).map((seed) => new Uint8Array(seed));
  if (corpus.length === 0) corpus.push(new Uint8Array(0));
  const outcomes = new Set<string>();
  const found = new Set<string>();
  const report = { runs: 0, outcomes: 0, slowestMs: 0, slowestBytes: 0, growthBytes: 0 };
  const sound = corpus.length;
  for (let run = 0; run < options.runs && Date.now() < options.deadlineMs && found.size < MAX_FINDINGS; run += 1) {
    const input = run < sound ? (corpus[run] ?? new Uint8Array(0)) : nextInput(target, corpus, random);
    options.onInput(input);
    const outcome = await tryInput(target, input);
    report.runs += 1;
    report.growthBytes = Math.max(report.growthBytes, outcome.growth);
    if (outcome.ms > report.slowestMs) [report.slowestMs, report.slowestBytes] = [outcome.ms, input.length];
    if (!outcomes.has(outcome.key)) {
      outcomes.add(outcome.key);
      if (run >= sound && corpus.length < MAX_CORPUS) corpus.push(input);
    }
    for (const finding of await judge(target, input, outcome)) {
      if (found.has(finding.says)) continue;
      found.add(finding.says);
      options.onFinding(finding);
    }
  }
  await target.close?.();
  return { ...report, outcomes: outcomes.size };
}

/** Tries one input once more, as `--replay` does. */
export async function replayInput(target: FuzzTarget, input: Uint8Array): Promise<readonly Finding[]> {
  const outcome = await tryInput(target, new Uint8Array(input));
  const findings = await judge(target, input, outcome);
  await target.close?.();
  return findings;
}

function nextInput(target: FuzzTarget, corpus: readonly Uint8Array[], random: MutateOptions["random"]): Uint8Array {
  const pick = (): Uint8Array => corpus[random(corpus.length)] ?? new Uint8Array(0);
  const { words = [], maxBytes = DEFAULT_BYTES } = target;
  const options: MutateOptions = { random, words: [...words, ...MEMBERS], other: pick(), maxBytes };
  const changed = target.kind === "json" && random(4) > 0 ? mutateJson(pick(), options) : undefined;
  return changed ?? mutate(pick(), options);
}

async function tryInput(target: FuzzTarget, input: Uint8Array): Promise<Outcome> {
  // The parser may keep or change what it is given; what is reported is the input as it was.
  const given = input.slice();
  const before = heldBytes();
  const start = performance.now();
  const keys: string[] = [];
  const tried = async (call: () => unknown): Promise<void> => {
    try {
      await call();
      keys.push("ok");
    } catch (error) {
      if (!isRiffleError(error)) throw error;
      keys.push(`${error.code} ${plain(error.message)}`);
    }
  };
  let failure: string | undefined;
  await tried(() => target.run(given, tried)).catch((error: unknown) => (failure = wordsOf(error)));
  return { key: keys.join("; "), failure, ms: performance.now() - start, growth: heldBytes() - before };
}

async function judge(target: FuzzTarget, input: Uint8Array, outcome: Outcome): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (outcome.failure !== undefined) findings.push({ kind: "error", says: outcome.failure, input });
  if (outcome.ms > SLOW_MS) {
    // A machine that is busy elsewhere is slow once; what is slow by itself uses the processor.
    const cpu = process.cpuUsage();
    await tryInput(target, input);
    const { user, system } = process.cpuUsage(cpu);
    const usedMs = (user + system) / 1000;
    if (usedMs > SLOW_MS) findings.push({ kind: "slow", says: "a run takes more than 2 s", input });
  }
  const allowed = (target.growthBytes ?? DEFAULT_GROWTH_BYTES) + GROWTH_PER_BYTE * input.length;
  if (outcome.growth > allowed) {
    collectGarbage();
    const { growth } = await tryInput(target, input);
    if (growth > allowed) findings.push({ kind: "memory", says: "a run allocates more than its bound", input });
  }
  return findings;
}

function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
}

const plain = (text: string): string => text.replaceAll(/\d+/g, "0").slice(0, 60);

/** Name, message and the first line of ours in the stack: one for each place that fails. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return `not an error: ${String(error).slice(0, 100)}`;
  const frame = (error.stack ?? "").split("\n").find((line) => line.includes("/src/"));
  const place = /\/(src\/[^)]*?):(\d+)/.exec(frame ?? "");
  const cause = error.cause instanceof Error ? ` (${wordsOf(error.cause)})` : "";
  return `${error.name}: ${plain(error.message)} at ${place?.[1] ?? "?"}:${place?.[2] ?? "?"}${cause}`;
}

function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 16_777_619);
  return hash >>> 0;
}
