import { promisify } from "node:util";
import { gunzip, unzip } from "node:zlib";
import { isRiffleError, RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { JsonObject } from "../../oci/parse-json.ts";
import { bunzip2 } from "./bzip2.ts";
import { checked, isChecksum } from "./checksums.ts";
import { elementFilter } from "./filters.ts";

/** Undoes one codec; what comes out has `limit` bytes at most. */
export type Decode = (bytes: Uint8Array, limit: number) => Promise<Uint8Array>;

const BLOSC_HEADER_BYTES = 16;
const LZ4_HEADER_BYTES = 4;
const inflateGzip = promisify(gunzip);
const inflateAny = promisify(unzip);

/**
 * The decoder of a codec or filter that turns bytes into bytes, by its name in either version of the format. Throws
 * `unsupported`, naming it, for those that are not known. The decoders reject with `malformed`.
 */
export function byteDecoder(given: string, config: JsonObject): Decode {
  const name = given.replace(/^numcodecs\./, "");
  const decode = decoderOf(name, config);
  if (decode === undefined)
    throw new RiffleError("unsupported", `the codec ${JSON.stringify(given)} is not one that riffle decodes`);
  return async (bytes, limit) => {
    try {
      return await decode(bytes, limit);
    } catch (cause) {
      if (isRiffleError(cause)) throw cause;
      throw new RiffleError("malformed", `a chunk does not decode as ${name}`, { cause });
    }
  };
}

function decoderOf(name: string, config: JsonObject): Decode | undefined {
  if (isChecksum(name)) return async (bytes) => checked(bytes, { name, location: config["location"] });
  const filter = elementFilter(name, config);
  if (filter !== undefined) return async (bytes) => filter(bytes);
  if (name === "gzip") return (bytes, limit) => inflateGzip(bytes, { maxOutputLength: limit });
  if (name === "zlib") return (bytes, limit) => inflateAny(bytes, { maxOutputLength: limit });
  if (name === "bz2") return async (bytes, limit) => bunzip2(bytes, limit);
  if (name === "zstd") return unzstd;
  if (name === "blosc") return unblosc;
  return name === "lz4" ? unlz4 : undefined;
}

/** Given the space that there may be, the decoder never goes by what the frame declares. */
async function unzstd(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const { ZSTDDecoder } = await import("zstddec");
  const decoder = new ZSTDDecoder();
  await decoder.init();
  const out = decoder.decode(bytes, Math.max(1, limit));
  // An error comes back as a negative length, hence as nothing; a frame of nothing is 9 bytes or longer by its header alone.
  if (out.length === 0 && limit > 0 && bytes.length > 13)
    throw new RiffleError("malformed", "a chunk does not decode as zstd");
  return out;
}

/** The library allocates what the header declares, so that is looked at first (Blosc 1: README_CHUNK_FORMAT). */
async function unblosc(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  if (bytes.length < BLOSC_HEADER_BYTES) throw new RiffleError("malformed", "a chunk is too short for a blosc header");
  const view = viewOf(bytes);
  const [declared, block, stored] = [4, 8, 12].map((at) => view.getUint32(at, true));
  if (declared === undefined || block === undefined || stored === undefined || declared > limit || block > limit) {
    throw new RiffleError("malformed", `a blosc chunk declares ${declared} bytes, more than the ${limit} it may have`);
  }
  if (stored > bytes.length) throw new RiffleError("malformed", "a blosc chunk is cut short");
  return libraryDecode("blosc", bytes);
}

/** As numcodecs frames it: the length of the content, then one block. */
async function unlz4(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const declared = bytes.length < LZ4_HEADER_BYTES ? Infinity : viewOf(bytes).getUint32(0, true);
  if (declared > limit)
    throw new RiffleError("malformed", `an lz4 chunk declares ${declared} bytes, more than the ${limit} it may have`);
  return libraryDecode("lz4", bytes);
}

async function libraryDecode(name: "blosc" | "lz4", bytes: Uint8Array): Promise<Uint8Array> {
  const { registry } = await import("zarrita");
  const codecs: ReadonlyMap<string, () => unknown> = registry;
  const Codec = await codecs.get(name)?.();
  // The registry types all codecs as one; these two take and give bytes.
  const codec = Codec as { fromConfig(config: object): { decode(bytes: Uint8Array): Promise<Uint8Array> } };
  const config = name === "blosc" ? { clevel: 1, cname: "lz4", shuffle: 0, blocksize: 0 } : { acceleration: 1 };
  return codec.fromConfig(config).decode(bytes);
}
