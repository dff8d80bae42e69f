import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import { elementCount, toLittleEndian } from "../element-type.ts";
import type { Fill } from "./fill.ts";
import { copyElements, cStrides, filledElements, type Elements } from "./elements.ts";
import type { Pipeline, ShardLayout } from "./pipeline.ts";
import { indexRange, readIndex } from "./shard-index.ts";

export interface ChunkTarget {
  readonly shape: readonly number[];
  readonly fill: Fill;
  /** Of decoded elements, and of what they are decoded from. */
  readonly maxBytes: number;
}

/** The elements of one chunk. Rejects with `malformed` for bytes that are not exactly those of its shape. */
export async function decodeChunk(
  stored: Uint8Array,
  { pipeline, target }: { readonly pipeline: Pipeline; readonly target: ChunkTarget },
): Promise<Elements> {
  const { shape, fill, maxBytes } = target;
  const { serializer, transposes, decoders } = pipeline;
  let encoded = shape;
  for (const order of transposes) {
    const from = encoded;
    encoded = order.map((axis) => from[axis] ?? 0);
  }
  const count = elementCount(shape) ?? Infinity;
  const expected = serializer.kind === "elements" ? count * serializer.type.itemBytes : undefined;
  if ((expected ?? count) > maxBytes)
    throw new RiffleError("unsupported", `a Zarr chunk of shape [${shape.join(", ")}] is too large`);
  // What is between two codecs may be a little longer than the elements, or twice as wide.
  const limit = expected === undefined ? maxBytes : Math.min(maxBytes, expected * 2 + 4096);
  let bytes = stored;
  for (const decode of decoders) bytes = await decode(bytes, limit);
  const strides = transposedStrides(cStrides(encoded), transposes);
  if (serializer.kind === "shard") {
    const whole = await decodeShard(bytes, { layout: serializer.shard, target: { ...target, shape: encoded } });
    return { ...whole, strides };
  }
  if (serializer.kind !== "elements")
    return { ...filledElements([0], fill), texts: textsOf(bytes, { count, kind: serializer.kind }), strides };
  const { type, filters } = serializer;
  // One of a pair of copies: the stored bytes may belong to somebody else.
  let data = toLittleEndian(bytes === stored && type.swapped.length > 0 ? bytes.slice() : bytes, type);
  for (const filter of filters) data = await filter(data, limit);
  if (data.length !== expected) {
    throw new RiffleError(
      "malformed",
      `a Zarr chunk has ${data.length} bytes, its shape [${shape.join(", ")}] needs ${expected}`,
    );
  }
  return { data, itemBytes: type.itemBytes, strides };
}

async function decodeShard(
  bytes: Uint8Array,
  { layout, target }: { readonly layout: ShardLayout; readonly target: ChunkTarget },
): Promise<Elements> {
  const { chunks, counts, pipeline } = layout;
  const range = indexRange(layout, bytes.length);
  const index = await readIndex(bytes.subarray(range.start, range.end), { layout, size: bytes.length });
  const count = elementCount(target.shape) ?? Infinity;
  if (count * (typeof target.fill === "string" ? 1 : target.fill.length) > target.maxBytes) {
    throw new RiffleError("unsupported", `a Zarr shard of shape [${target.shape.join(", ")}] is too large`);
  }
  const whole = filledElements(target.shape, target.fill);
  const total = elementCount(counts) ?? 0;
  for (let number = 0; number < total; number += 1) {
    const found = index(number);
    if (found === undefined) continue;
    const inner = await decodeChunk(bytes.subarray(found.start, found.end), {
      pipeline,
      target: { ...target, shape: chunks },
    });
    const at = coordinates(number, counts);
    copyElements(inner, {
      to: whole,
      axes: chunks.map((length, axis) => ({ from: 0, step: 1, to: (at[axis] ?? 0) * length, count: length })),
    });
  }
  return whole;
}

/** Of the `number`-th in C order. */
function coordinates(number: number, counts: readonly number[]): readonly number[] {
  let rest = number;
  return counts
    .toReversed()
    .map((count) => {
      const at = rest % count;
      rest = Math.floor(rest / count);
      return at;
    })
    .toReversed();
}

/** From those of what is encoded to those of what was given. */
function transposedStrides(encoded: readonly number[], transposes: readonly (readonly number[])[]): readonly number[] {
  let strides = encoded;
  for (const order of transposes.toReversed()) {
    const given = Array.from(strides, () => 0);
    for (const [i, axis] of order.entries()) given[axis] = strides[i] ?? 0;
    strides = given;
  }
  return strides;
}

/** A count, then each text with its length before it. */
function textsOf(
  bytes: Uint8Array,
  { count, kind }: { readonly count: number; readonly kind: "text" | "bytes" },
): (string | null)[] {
  const view = viewOf(bytes);
  if (bytes.length < 4 || view.getUint32(0, true) !== count) {
    throw new RiffleError("malformed", `a Zarr chunk does not have the ${count} texts of its shape`);
  }
  const decoder = new TextDecoder();
  const texts: string[] = [];
  let at = 4;
  for (let i = 0; i < count; i += 1) {
    const end = at + 4 + (at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity);
    if (end > bytes.length) throw new RiffleError("malformed", "a text of a Zarr chunk would end behind it");
    const text = bytes.subarray(at + 4, end);
    texts.push(kind === "text" ? decoder.decode(text) : Buffer.from(text).toString("latin1"));
    at = end;
  }
  return texts;
}
