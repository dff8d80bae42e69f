import type { ArrayBlock } from "../../formats/array.ts";
import { npyHeader } from "../../formats/npy/encode.ts";
import { RiffleError } from "../../errors.ts";
import { elementText } from "./element-text.ts";

export type ArrayFormat = "npy" | "json";

type Blocks = AsyncIterable<ArrayBlock>;

/** The blocks of one array as a file of it; in memory bounded by one block. */
export function writeArray(blocks: Blocks, format: ArrayFormat): AsyncIterable<Uint8Array> {
  return format === "npy" ? asNpy(blocks) : asJson(blocks);
}

async function* asNpy(blocks: Blocks): AsyncGenerator<Uint8Array> {
  let begun = false;
  for await (const { dtype, shape, data, strings } of blocks) {
    if (strings !== undefined) {
      throw new RiffleError("unsupported", "strings of any length have no type in a .npy file", {
        hint: "--format json takes them",
        facts: { dtype },
      });
    }
    if (!begun) yield npyHeader({ dtype, shape });
    begun = true;
    if (data.length > 0) yield data;
  }
}

/** About as much text goes out at once. */
const PIECE_CHARACTERS = 64 * 1024;

/** Lists in lists, as `tolist()` of NumPy; an array without axes is its element alone. */
async function* asJson(blocks: Blocks): AsyncGenerator<Uint8Array> {
  let shape: readonly number[] = [];
  let text = "";
  let index = 0;
  for await (const block of blocks) {
    shape = block.shape;
    for (const element of elementsOf(block)) {
      const strides = openAt(shape, index);
      text += `${index === 0 ? "" : `${"]".repeat(strides)},`}${"[".repeat(index === 0 ? shape.length : strides)}${element}`;
      index += 1;
      if (text.length < PIECE_CHARACTERS) continue;
      yield Buffer.from(text);
      text = "";
    }
  }
  yield Buffer.from(`${text}${index === 0 ? emptyText(shape) : "]".repeat(shape.length)}\n`);
}

/** How many of the innermost lists begin with the element at `index`. */
function openAt(shape: readonly number[], index: number): number {
  let lists = 0;
  let stride = 1;
  for (const length of shape.toReversed()) {
    stride *= length;
    if (index % stride !== 0) break;
    lists += 1;
  }
  return lists;
}

/** More lists that hold nothing are not worth their brackets. */
const MAX_EMPTY_LISTS = 1_000_000;

/** `[[], []]` for the shape 2, 0. */
function emptyText(shape: readonly number[]): string {
  const [length = 0, ...inner] = shape.slice(0, shape.indexOf(0) + 1);
  if (shape.length === 0 || length === 0) return "[]";
  if (shape.slice(0, shape.indexOf(0)).reduce((a, b) => a * b, 1) > MAX_EMPTY_LISTS) return "[]";
  return `[${Array.from({ length }, () => emptyText(inner)).join(",")}]`;
}

function* elementsOf({ dtype, data, strings }: ArrayBlock): Generator<string> {
  if (strings !== undefined) {
    for (const text of strings) yield JSON.stringify(text);
    return;
  }
  const { itemBytes, text } = elementText(dtype);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at + itemBytes <= data.length; at += itemBytes) yield text(view, at);
}
