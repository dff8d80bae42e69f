import { runWell } from "../test/support/processes.ts";
import { PROGRAMS } from "./context.ts";

/** The reading side of the scenarios: each runs in a process of its own and checks what it read. */
export interface RandomTask {
  readonly size: number;
  readonly count: number;
  readonly bytes: number;
  readonly readers: number;
  readonly seed: number;
}

/** Milliseconds of the reads alone. */
export async function readRandom(file: string, task: RandomTask): Promise<number> {
  const { stdout } = await runWell(process.execPath, [`${PROGRAMS}/preads.js`, JSON.stringify({ file, ...task })], {
    env: { UV_THREADPOOL_SIZE: String(Math.max(4, task.readers)) },
  });
  // printed by that program
  const { ms, wrong } = JSON.parse(stdout.toString()) as { readonly ms: number; readonly wrong: number };
  if (wrong > 0) throw new Error(`${wrong} of ${task.count} reads of ${file} gave wrong bytes`);
  return ms;
}

export interface SequentialRead {
  readonly ms: number;
  readonly bytes: number;
}

export async function readSequential(
  file: string,
  options: { readonly seed: number; readonly limit?: number },
): Promise<SequentialRead> {
  const limit = options.limit === undefined ? [] : [String(options.limit)];
  const { stdout } = await runWell(
    process.execPath,
    [`${PROGRAMS}/sequential.js`, file, String(options.seed), ...limit],
    { timeoutMs: 900_000 },
  );
  // printed by that program
  const read = JSON.parse(stdout.toString()) as SequentialRead & { readonly wrong: number };
  if (read.wrong > 0) throw new Error(`${read.wrong} pages of ${file} are wrong`);
  return read;
}

/** A whole file by `dd` in reads of 1 MiB; milliseconds by its own clock. Checks nothing: `readSequential` does, afterwards. */
export async function ddRead(file: string): Promise<number> {
  const { stderr } = await runWell("dd", [`if=${file}`, "of=/dev/null", "bs=1M"], {
    env: { LC_ALL: "C" },
    timeoutMs: 900_000,
  });
  const seconds = /copied, ([\d.]+) s/.exec(stderr)?.[1];
  if (seconds === undefined) throw new Error(`dd did not say how long it read ${file}`);
  return Number(seconds) * 1000;
}

/** One connection to its end; milliseconds. */
export async function curl(url: string, out = "/dev/null"): Promise<number> {
  const { stdout } = await runWell("curl", ["-sS", "--fail", "-o", out, "-w", "%{time_total}", url], {
    timeoutMs: 900_000,
  });
  return Number(stdout.toString()) * 1000;
}

export async function duckdb(sql: string): Promise<{ readonly rows: string; readonly ms: number }> {
  const { stdout } = await runWell(process.execPath, [`${PROGRAMS}/duckdb.js`, sql]);
  // printed by that program
  const { rows, ms } = JSON.parse(stdout.toString()) as { readonly rows: unknown; readonly ms: number };
  return { rows: JSON.stringify(rows), ms };
}
