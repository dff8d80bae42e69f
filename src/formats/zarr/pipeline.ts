import { RiffleError } from "../../errors.ts";
import { elementCount, type ElementType } from "../element-type.ts";
import { naturals } from "../json-header.ts";
import { byteDecoder, type Decode } from "./codecs.ts";
import { isChecksum } from "./checksums.ts";
import { namedOf, type NamedConfig } from "./named-config.ts";
import { typeOfV3, type ZarrType } from "./types.ts";

/** How the bytes of a chunk become its elements. */
export interface Pipeline {
  /** In the order of encoding: axis `i` of what is encoded is axis `order[i]` of what was given. */
  readonly transposes: readonly (readonly number[])[];
  /** In the order of decoding. */
  readonly decoders: readonly Decode[];
  readonly serializer: Serializer;
}

export type Serializer =
  | { readonly kind: "elements"; readonly type: ElementType; readonly filters: readonly Decode[] }
  | { readonly kind: "text" | "bytes" }
  | { readonly kind: "shard"; readonly shard: ShardLayout };

export interface ShardLayout {
  readonly chunks: readonly number[];
  /** Chunks along each axis. */
  readonly counts: readonly number[];
  readonly pipeline: Pipeline;
  readonly isIndexAtStart: boolean;
  readonly indexBytes: number;
  readonly decodeIndex: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly isIndexBigEndian: boolean;
}

const INDEX_ENTRY_BYTES = 16;
/** An index of 64 MiB. */
const MAX_INNER_CHUNKS = 4 * 1024 * 1024;
const MAX_SHARD_DEPTH = 4;

/** Filters work on elements in the stored byte order, which is turned last. */
export function pipelineOfV2(
  codecs: readonly NamedConfig[],
  { type, axes, order }: { readonly type: ZarrType; readonly axes: number; readonly order: "C" | "F" },
): Pipeline {
  const decoders = codecs
    .filter(({ name }) => !name.startsWith("vlen-"))
    .map(({ name, config }) => byteDecoder(name, config));
  const reverse = Array.from({ length: axes }, (_, axis) => axes - 1 - axis);
  return {
    transposes: order === "F" ? [reverse] : [],
    decoders: decoders.toReversed(),
    serializer: type.kind === "fixed" ? { kind: "elements", type: type.type, filters: [] } : { kind: type.kind },
  };
}

/** Throws `unsupported`, naming the codec, and `malformed`. */
export function pipelineOfV3(
  codecs: readonly NamedConfig[],
  given: { readonly dataType: unknown; readonly shape: readonly number[]; readonly depth?: number },
): Pipeline {
  const { dataType, depth = 0 } = given;
  let { shape } = given;
  const transposes: (readonly number[])[] = [];
  const filters: Decode[] = [];
  const decoders: Decode[] = [];
  let serializer: Serializer | undefined;
  for (const { name, config } of codecs) {
    const isBefore = serializer === undefined;
    if (isBefore && name === "transpose") {
      const order = orderOf(config["order"], shape.length);
      const from = shape;
      shape = order.map((axis) => from[axis] ?? 0);
      transposes.push(order);
    } else if (isBefore && (name === "bytes" || name === "numcodecs.bytes")) {
      const type = typeOfV3(dataType, config["endian"] === "big" ? ">" : "<");
      if (type.kind !== "fixed") throw new RiffleError("malformed", "the codec bytes cannot hold texts of any length");
      serializer = { kind: "elements", type: type.type, filters };
    } else if (isBefore && /^(numcodecs\.)?vlen-(utf8|bytes)$/.test(name)) {
      serializer = { kind: name.endsWith("utf8") ? "text" : "bytes" };
    } else if (isBefore && name === "sharding_indexed") {
      serializer = { kind: "shard", shard: shardOf(config, { dataType, shape, depth }) };
    } else if (isBefore) filters.unshift(byteDecoder(name, config));
    else decoders.unshift(byteDecoder(name, config));
  }
  if (serializer === undefined)
    throw new RiffleError("malformed", "no codec of the Zarr array makes bytes of its elements");
  return { transposes, decoders, serializer };
}

function orderOf(order: unknown, axes: number): readonly number[] {
  const all = Array.from({ length: axes }, (_, axis) => axis);
  if (order === "C") return all;
  if (order === "F") return all.toReversed();
  const given = naturals(order) ?? [];
  if (given.length !== axes || all.some((axis) => !given.includes(axis))) {
    throw new RiffleError("malformed", "the codec transpose has an order that is none of the axes");
  }
  return given;
}

function shardOf(
  config: NamedConfig["config"],
  { dataType, shape, depth }: { readonly dataType: unknown; readonly shape: readonly number[]; readonly depth: number },
): ShardLayout {
  const chunks = naturals(config["chunk_shape"]) ?? [];
  const counts = shape.map((length, axis) => length / (chunks[axis] ?? 0));
  if (chunks.length !== shape.length || counts.some((count) => !Number.isSafeInteger(count) || count < 1)) {
    throw new RiffleError(
      "malformed",
      `a Zarr shard of [${shape.join(", ")}] is not divided by chunks of [${chunks.join(", ")}]`,
    );
  }
  const total = elementCount(counts) ?? Infinity;
  if (total > MAX_INNER_CHUNKS)
    throw new RiffleError("unsupported", `a Zarr shard has ${total} chunks, more than ${MAX_INNER_CHUNKS}`);
  if (depth >= MAX_SHARD_DEPTH) throw new RiffleError("unsupported", "Zarr shards are nested too deep");
  const location = config["index_location"] ?? "end";
  if (location !== "start" && location !== "end")
    throw new RiffleError("malformed", "the index of a Zarr shard is neither at its start nor end");
  const named = (list: unknown): readonly NamedConfig[] =>
    (Array.isArray(list) ? list : []).map((codec: unknown) => namedOf(codec, "a codec"));
  const [serializer, ...sums] = named(config["index_codecs"] ?? [{ name: "bytes" }]);
  const other = serializer?.name !== "bytes" ? serializer : sums.find(({ name }) => !isChecksum(name));
  if (other !== undefined)
    throw new RiffleError("unsupported", `the index of Zarr shards uses the codec ${JSON.stringify(other.name)}`);
  const decoders = sums.map(({ name, config: settings }) => byteDecoder(name, settings)).reverse();
  return {
    chunks,
    counts,
    pipeline: pipelineOfV3(named(config["codecs"]), { dataType, shape: chunks, depth: depth + 1 }),
    isIndexAtStart: location === "start",
    indexBytes: total * INDEX_ENTRY_BYTES + sums.length * 4,
    decodeIndex: async (bytes) => {
      let index = bytes;
      for (const decode of decoders) index = await decode(index, bytes.length);
      return index;
    },
    isIndexBigEndian: serializer?.config["endian"] === "big",
  };
}
