import { RiffleError } from "../../errors.ts";
import { elementCount } from "../element-type.ts";
import { isJsonObject, type JsonObject } from "../../oci/parse-json.ts";
import { naturals, parseHeaderJson } from "../json-header.ts";
import { namedOf, type NamedConfig } from "./named-config.ts";
import { fillOf, type Fill } from "./fill.ts";
import { pipelineOfV2, pipelineOfV3, type Pipeline } from "./pipeline.ts";
import { typeOfV2, typeOfV3, type ZarrType } from "./types.ts";

export interface ZarrArray {
  readonly format: 2 | 3;
  readonly shape: readonly number[];
  readonly chunks: readonly number[];
  readonly type: ZarrType;
  readonly fill: Fill;
  readonly pipeline: Pipeline;
  /** The key of a chunk below the array's own path. */
  readonly chunkKey: (chunk: readonly number[]) => string;
  readonly codecs: readonly string[];
  readonly attributes: JsonObject;
  readonly dimensionNames: readonly (string | null)[] | undefined;
}

const MAX_AXES = 64;

/**
 * A metadata document. A fill value that a number would not hold exactly comes as text, and so do the bare NaN and
 * Infinity that Python writes among attributes. Throws `malformed`.
 */
export function parseMetadata(bytes: Uint8Array, key: string): JsonObject {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const exact = text.replaceAll(/("fill_value"\s*:\s*)(-?\d{16,20})(?=\s*[,}\]])/g, '$1"$2"');
  const strict = exact.replaceAll(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  return parseHeaderJson(strict === text ? bytes : Buffer.from(strict, "latin1"), { what: `the Zarr metadata ${key}` });
}

/** `.zarray`, with the `.zattrs` beside it. Throws `malformed` and `unsupported`. */
export function arrayOfV2(json: JsonObject, attributes: JsonObject): ZarrArray {
  if (json["zarr_format"] !== 2) throw new RiffleError("malformed", "a .zarray is not of version 2");
  const { shape, chunks } = lengthsOf(json["shape"], json["chunks"]);
  const codecs: readonly unknown[] = [
    ...(Array.isArray(json["filters"]) ? json["filters"] : []),
    json["compressor"] ?? undefined,
  ];
  const configs = codecs.filter((one) => one !== undefined).map(codecOfV2);
  const type = typeOfV2(
    json["dtype"],
    configs.map(({ name }) => name),
  );
  const separator = json["dimension_separator"] === "/" ? "/" : ".";
  return {
    format: 2,
    shape,
    chunks,
    type,
    fill: fillOf(json["fill_value"], type),
    pipeline: pipelineOfV2(configs, { type, axes: shape.length, order: json["order"] === "F" ? "F" : "C" }),
    chunkKey: (chunk) => (chunk.length === 0 ? "0" : chunk.join(separator)),
    codecs: configs.map(({ name }) => name),
    attributes,
    dimensionNames: undefined,
  };
}

/** `zarr.json` of an array. Throws `malformed` and `unsupported`. */
export function arrayOfV3(json: JsonObject): ZarrArray {
  const grid = namedOf(json["chunk_grid"], "a chunk grid");
  if (grid.name !== "regular")
    throw new RiffleError(
      "unsupported",
      `the Zarr chunk grid ${JSON.stringify(grid.name)} is not one that riffle reads`,
    );
  const { shape, chunks } = lengthsOf(json["shape"], grid.config["chunk_shape"]);
  const keys =
    json["chunk_key_encoding"] === undefined
      ? { name: "default", config: {} }
      : namedOf(json["chunk_key_encoding"], "a chunk key encoding");
  if (keys.name !== "default" && keys.name !== "v2")
    throw new RiffleError(
      "unsupported",
      `the Zarr chunk keys ${JSON.stringify(keys.name)} are not ones that riffle reads`,
    );
  const isV2 = keys.name === "v2";
  const separator = keys.config["separator"] ?? (isV2 ? "." : "/");
  if (separator !== "." && separator !== "/")
    throw new RiffleError("malformed", "the separator of Zarr chunk keys is neither . nor /");
  if (!Array.isArray(json["codecs"]))
    throw new RiffleError("unsupported", "the Zarr array has no codecs: it is of a draft of version 3");
  const codecs = json["codecs"].map((codec: unknown) => namedOf(codec, "a codec"));
  if (Array.isArray(json["storage_transformers"]) && json["storage_transformers"].length > 0) {
    throw new RiffleError("unsupported", "the Zarr array has storage transformers, of which none is known");
  }
  const order = codecs.some(({ name, config }) => name === "bytes" && config["endian"] === "big") ? ">" : "<";
  const type = typeOfV3(json["data_type"], order);
  const names: unknown = json["dimension_names"];
  return {
    format: 3,
    shape,
    chunks,
    type,
    fill: fillOf(json["fill_value"], type),
    pipeline: pipelineOfV3(codecs, { dataType: json["data_type"], shape: chunks }),
    chunkKey: (chunk) => (isV2 ? chunk.join(separator) || "0" : ["c", ...chunk].join(separator)),
    codecs: codecs.map(({ name }) => name),
    attributes: isJsonObject(json["attributes"]) ? json["attributes"] : {},
    dimensionNames: Array.isArray(names) ? names.map((name) => (typeof name === "string" ? name : null)) : undefined,
  };
}

function codecOfV2(value: unknown): NamedConfig {
  const { id, ...config } = isJsonObject(value) ? value : {};
  if (typeof id !== "string") throw new RiffleError("malformed", "a filter of the Zarr array has no id");
  return { name: id, config };
}

function lengthsOf(
  given: unknown,
  givenChunks: unknown,
): { readonly shape: readonly number[]; readonly chunks: readonly number[] } {
  const shape = naturals(given);
  const chunks = naturals(givenChunks);
  if (shape === undefined || chunks === undefined || shape.length !== chunks.length || shape.length > MAX_AXES) {
    throw new RiffleError("malformed", "the shape and chunk shape of the Zarr array are not lists of as many lengths");
  }
  if (chunks.some((length) => length < 1) || elementCount(chunks) === undefined || elementCount(shape) === undefined) {
    throw new RiffleError(
      "malformed",
      `a Zarr array of shape [${shape.join(", ")}] in chunks of [${chunks.join(", ")}] cannot be`,
    );
  }
  return { shape, chunks };
}
