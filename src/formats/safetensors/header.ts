import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import { elementCount } from "../element-type.ts";
import type { FormatOptions } from "../format.ts";
import { readHead } from "../head.ts";
import { isJsonObject } from "../../oci/parse-json.ts";
import { naturals, parseHeaderJson } from "../json-header.ts";

export interface Tensor {
  readonly name: string;
  /** As stored: `F32`, `BF16`, ... */
  readonly type: string;
  readonly shape: readonly number[];
  /** In the file. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** With the length before it. */
  readonly bytes: number;
  /** In order of offset. */
  readonly tensors: readonly Tensor[];
  readonly metadata: readonly (readonly [name: string, value: string])[];
}

const LENGTH_BYTES = 8;
/** The reference implementation refuses longer ones. */
const MAX_HEADER_BYTES = 100_000_000;

/** Bits of one element (https://github.com/huggingface/safetensors, `Dtype`). */
const TYPE_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/**
 * The header, in one request where it is short. Checked as the format demands: every byte behind it belongs to exactly one
 * tensor, and each tensor has the bytes of its shape. Rejects with `malformed`, and with
 * `unsupported` where the header is longer than `options.maxBytes`.
 */
export async function readSafetensorsHeader(
  source: RangeSource,
  options: FormatOptions = {},
): Promise<SafetensorsHeader> {
  const head = await readHead(source, options);
  if (head.bytes.length < LENGTH_BYTES) throw malformed("the file is shorter than the length of a header");
  const declared = viewOf(head.bytes).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, source.size - LENGTH_BYTES);
  if (declared > BigInt(limit)) {
    throw malformed(`the header would have ${declared} bytes, at most ${limit} are possible`);
  }
  if (options.maxBytes !== undefined && declared > BigInt(options.maxBytes)) {
    throw new RiffleError(
      "unsupported",
      `the safetensors header has ${declared} bytes, more than the ${options.maxBytes} that may be read`,
    );
  }
  const bytes = LENGTH_BYTES + Number(declared);
  const json = (await head.extend(bytes)).bytes.subarray(LENGTH_BYTES, bytes);
  const entries = Object.entries(parseHeaderJson(json, { what: "the safetensors header" }));
  const tensors = entries
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => parseTensor(value, { name, base: bytes }))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  checkCover(tensors, { start: bytes, end: source.size });
  const metadata = entries.find(([name]) => name === "__metadata__")?.[1] ?? {};
  return { bytes, tensors, metadata: parseMetadata(metadata) };
}

function parseTensor(value: unknown, { name, base }: { readonly name: string; readonly base: number }): Tensor {
  const what = `tensor ${JSON.stringify(name)}`;
  if (!isJsonObject(value)) throw malformed(`${what} is not described by an object`);
  const { dtype, shape: givenShape, data_offsets: givenOffsets } = value;
  const shape = naturals(givenShape);
  const [start, end, ...rest] = naturals(givenOffsets) ?? [];
  const bits = typeof dtype === "string" && Object.hasOwn(TYPE_BITS, dtype) ? TYPE_BITS[dtype] : undefined;
  if (typeof dtype !== "string" || bits === undefined) throw malformed(`${what} has no type that is known`);
  if (shape === undefined) throw malformed(`${what} has a shape that is no list of lengths`);
  if (start === undefined || end === undefined || rest.length > 0 || end < start) {
    throw malformed(`${what} has data offsets that are no range`);
  }
  const count = elementCount(shape);
  if (count === undefined || !Number.isSafeInteger(count * bits) || count * bits !== (end - start) * 8) {
    throw malformed(`${what} of shape [${shape.join(", ")}] and type ${dtype} does not have ${end - start} bytes`);
  }
  return { name, type: dtype, shape, start: base + start, end: base + end };
}

/** The format forbids holes and overlaps. */
function checkCover(tensors: readonly Tensor[], data: { readonly start: number; readonly end: number }): void {
  let at = data.start;
  for (const { name, start, end } of tensors) {
    if (start !== at) {
      const problem = start < at ? "overlaps the tensor before it" : "leaves bytes before it that no tensor owns";
      throw malformed(`tensor ${JSON.stringify(name)} ${problem}`);
    }
    at = end;
  }
  if (at !== data.end) {
    const problem = at > data.end ? "end behind the end of the file" : "end before the file does";
    throw malformed(`the tensors ${problem}: ${at} of ${data.end} bytes`);
  }
}

function parseMetadata(value: unknown): SafetensorsHeader["metadata"] {
  const entries = isJsonObject(value) ? Object.entries(value) : undefined;
  const texts = entries?.filter((entry): entry is [string, string] => typeof entry[1] === "string");
  if (texts === undefined || texts.length !== entries?.length) throw malformed("the metadata is not a map of texts");
  return texts;
}

function malformed(problem: string): RiffleError {
  return new RiffleError("malformed", `broken safetensors file: ${problem}`);
}
