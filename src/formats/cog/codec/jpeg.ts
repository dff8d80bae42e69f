import { RiffleError } from "../../../errors.ts";

export interface JpegUnit {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  /** The tables that all units share (TIFF technical note 2), or undefined. */
  readonly tables: Uint8Array | undefined;
}

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly components: number;
}

/**
 * One JPEG stream, its components interleaved and brought to one size, without conversion of colours. The frame's size is
 * checked before anything is allocated. Throws `malformed` or `unsupported`.
 */
export async function decodeJpeg(input: Uint8Array, unit: JpegUnit): Promise<Uint8Array> {
  const frame = frameOf(input);
  if (frame.width < unit.width || frame.width > unit.width + 64 || frame.components !== unit.samples) {
    throw new RiffleError(
      "malformed",
      `a JPEG of ${frame.width}x${frame.height} pixels and ${frame.components} components stands for a unit of ${unit.width}x${unit.height} and ${unit.samples}`,
    );
  }
  if (frame.height < unit.height || frame.height > 65_535 || frame.width * frame.height > 0x1000_0000) {
    throw new RiffleError("malformed", `a JPEG of ${frame.height} rows stands for a unit of ${unit.height}`);
  }
  const { getDecoder } = await import("geotiff");
  const parameters = {
    tileWidth: unit.width,
    tileHeight: unit.height,
    predictor: 1,
    bitsPerSample: 8,
    planarConfiguration: 1,
    ...(unit.tables === undefined ? {} : { JPEGTables: unit.tables }),
  };
  const decoded = await decodeWith(() => getDecoder(7, parameters), ended(input));
  const row = frame.width * unit.samples;
  if (decoded.length !== row * frame.height) throw new RiffleError("malformed", "a JPEG decodes to a wrong length");
  if (frame.width === unit.width) return decoded.subarray(0, row * unit.height);
  const cropped = new Uint8Array(unit.width * unit.samples * unit.height);
  for (let y = 0; y < unit.height; y += 1) {
    cropped.set(decoded.subarray(y * row, y * row + unit.width * unit.samples), y * unit.width * unit.samples);
  }
  return cropped;
}

async function decodeWith(
  open: () => Promise<{ decode(buffer: ArrayBufferLike): Promise<ArrayBufferLike> }>,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  try {
    const decoder = await open();
    return new Uint8Array(await decoder.decode(new Uint8Array(bytes).buffer));
  } catch (error) {
    throw new RiffleError("malformed", `a JPEG is damaged (${error instanceof Error ? error.message : "?"})`, {
      cause: error,
    });
  }
}

/** The decoder takes zeros for what is missing: an end marker makes it stop with an error instead. */
function ended(input: Uint8Array): Uint8Array {
  if (input.at(-2) === 0xff && input.at(-1) === 0xd9) return input;
  const bytes = new Uint8Array(input.length + 2);
  bytes.set(input);
  bytes.set([0xff, 0xd9], input.length);
  return bytes;
}

/** The only frame header of a stream (ITU T.81 annex B). Throws when there is none, or one of a kind that is not decoded. */
function frameOf(input: Uint8Array): Frame {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let at = 2;
  if (input.length < 4 || view.getUint16(0) !== 0xffd8)
    throw new RiffleError("malformed", "a JPEG does not begin as one");
  while (at + 4 <= input.length && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame && at + 10 <= input.length) {
      if (marker > 0xc2) throw new RiffleError("unsupported", `JPEG process ${marker - 0xc0} (lossless or arithmetic)`);
      const precision = view.getUint8(at + 4);
      if (precision !== 8) throw new RiffleError("unsupported", `JPEG of ${precision} bits`);
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), components: view.getUint8(at + 9) };
    }
    if (marker === 0xda) break;
    at += 2 + view.getUint16(at + 2);
  }
  throw new RiffleError("malformed", "a JPEG has no frame header");
}
