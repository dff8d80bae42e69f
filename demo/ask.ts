import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runWell, temporaryFolder } from "../test/support/processes.ts";
import { ROOT } from "../test/support/root.ts";
import type { Question } from "./queries.ts";

export interface Answer {
  /** For people. */
  readonly text: string;
  /** Equal where the answers are equal, to the bit. */
  readonly proof: string;
}

const PROGRAMS = `${ROOT}dist-tools/test/support/programs`;

/** Asks in a process of its own: a mount must not be read by the process that counts on it. */
export async function askFile(path: string, question: Question): Promise<Answer> {
  if (question.kind === "sql") return askDuckdb(path, question.sql);
  return question.reader === "gdal" ? askGdal(path, question) : askGeotiff(path, question);
}

async function askDuckdb(path: string, sql: string): Promise<Answer> {
  const { stdout } = await runWell(process.execPath, [`${PROGRAMS}/duckdb.js`, sql.replace("FILE", path)]);
  // printed by that program
  const { rows } = JSON.parse(stdout.toString()) as { readonly rows: readonly { readonly answer?: unknown }[] };
  return { text: String(rows[0]?.answer), proof: JSON.stringify(rows) };
}

type Window = Extract<Question, { kind: "window" }>;

export const describeMean = (mean: number): string => `mean ${mean.toFixed(1)} mm a year`;

async function askGeotiff(path: string, { level, x, y, width, height }: Window): Promise<Answer> {
  const numbers = [level, x, y, width, height].map(String);
  const { stdout } = await runWell(process.execPath, [`${PROGRAMS}/raster.js`, path, ...numbers]);
  // printed by that program
  const { sha256, mean } = JSON.parse(stdout.toString()) as { readonly sha256: string; readonly mean: number };
  return { text: describeMean(mean), proof: sha256 };
}

async function askGdal(path: string, { x, y, width, height }: Window): Promise<Answer> {
  using folder = temporaryFolder("demo-gdal");
  const out = join(folder.path, "window");
  const window = [x, y, width, height].map(String);
  await runWell("gdal_translate", ["-q", "-of", "ENVI", "-srcwin", ...window, path, out]);
  const bytes = new Uint8Array(readFileSync(out));
  const values = new Float32Array(bytes.buffer, 0, bytes.length / 4);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { text: describeMean(mean), proof: createHash("sha256").update(bytes).digest("hex") };
}
