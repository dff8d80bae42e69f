import type { Bench } from "./context.ts";

/**
 * One thing that must hold, or that we aim at.
 * - `count`: requests, bytes, memory: the same on every machine; gates the exit code
 * - `ratio`: two times of one run, one divided by the other; gates too
 * - `time`: milliseconds of this machine; shown, never a gate
 * - `aim`: better than must; shown, never a gate
 */
export interface Check {
  readonly kind: "count" | "ratio" | "time" | "aim";
  readonly what: string;
  readonly must: string;
  readonly measured: string;
  readonly pass: boolean;
}

/** Another program at the same work, beside riffle in the same run. */
export interface PeerRow {
  readonly name: string;
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
}

export interface ScenarioResult {
  readonly checks: readonly Check[];
  /** Medians and other numbers, for the JSON. */
  readonly facts: Readonly<Record<string, number | string | boolean>>;
  readonly peers?: readonly PeerRow[];
  /** What the reader of the table should know: a check that could not be made, and why. */
  readonly notes?: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Why it cannot run here, or undefined. */
  readonly obstacle?: (bench: Bench) => string | undefined;
  readonly run: (bench: Bench) => Promise<ScenarioResult>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** `work` that often, one after the other. */
export async function repeat<T>(runs: number, work: (run: number) => Promise<T>): Promise<readonly T[]> {
  const samples: T[] = [];
  for (let run = 0; run < runs; run += 1) samples.push(await work(run));
  return samples;
}

const show = (value: number, unit: string): string => {
  if (!Number.isFinite(value)) return "not measured";
  const digits = unit === "x" || (Math.abs(value) < 100 && !Number.isInteger(value)) ? 2 : 0;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: unit === "x" ? 2 : 0 })}${unit === "" ? "" : ` ${unit}`}`;
};

interface Bound {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly unit?: string;
}

/** `value` is at most `limit`; what was not measured has not passed. */
export function atMost(kind: Check["kind"], { what, value, limit, unit = "" }: Bound): Check {
  return { kind, what, must: `<= ${show(limit, unit)}`, measured: show(value, unit), pass: value <= limit };
}

export function atLeast(kind: Check["kind"], { what, value, limit, unit = "" }: Bound): Check {
  return { kind, what, must: `>= ${show(limit, unit)}`, measured: show(value, unit), pass: value >= limit };
}

export const isGate = ({ kind }: Check): boolean => kind === "count" || kind === "ratio";
