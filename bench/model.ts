import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { noiseStream } from "../test/support/content.ts";
import { makeOnce } from "../test/support/data.ts";
import type { Bench } from "./context.ts";

export const MODEL = "model.safetensors";
const TENSORS = 60;
const SEED = 29;
const SMALL_TENSORS = 2;

export interface Tensor {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export interface ModelLayout {
  readonly header: Buffer;
  /** Their places behind the header. */
  readonly tensors: readonly Tensor[];
}

/** Sizes from half a mebibyte to some twenty, none of them round. */
export function modelLayout(count: number = TENSORS): ModelLayout {
  let at = 0;
  const tensors = Array.from({ length: count }, (_, index): Tensor => {
    const bytes = 4 * (131_072 + ((index * 7919) % 40) * 131_000);
    const tensor = { name: `layer.${index}.weight`, start: at, end: at + bytes };
    at += bytes;
    return tensor;
  });
  const entries = tensors.map(({ name, start, end }) => [
    name,
    { dtype: "F32", shape: [(end - start) / 4], data_offsets: [start, end] },
  ]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.alloc(8 + json.length);
  header.writeBigUInt64LE(BigInt(json.length));
  json.copy(header, 8);
  return { header, tensors };
}

export const modelPath = (bench: Bench): Promise<string> => makeModel(join(bench.folder, MODEL), modelLayout());

/** The first two tensors of it. */
export const smallModelPath = (bench: Bench): Promise<string> =>
  makeModel(join(bench.folder, `small-${MODEL}`), modelLayout(SMALL_TENSORS));

function makeModel(path: string, { header, tensors }: ModelLayout): Promise<string> {
  return makeOnce(path, async (draft) => {
    const noise = noiseStream(SEED);
    const file = openSync(draft, "w");
    writeSync(file, header);
    for (const { start, end } of tensors) writeSync(file, noise({ start, end }));
    closeSync(file);
  });
}
