import { setImmediate as nextTurn } from "node:timers/promises";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { Limiter } from "../../bytes/limiter.ts";
import { abortError, RiffleError } from "../../errors.ts";
import type { RasterWindow } from "../raster.ts";
import { LEADER_BYTES } from "./extents.ts";
import { DecodedUnits } from "./decoded-units.ts";
import { paint, type Canvas } from "./paint.ts";
import type { Piece, Strip, ViewPlan } from "./pieces.ts";
import type { Level } from "./pyramid.ts";
import { samplesOver } from "./sample-type.ts";
import { checkDecodable, decodeUnit, hasPlainRows, type UnitForm } from "./unit-decode.ts";
import type { View } from "./view.ts";

export interface ScanInput {
  readonly source: RangeSource;
  readonly view: View;
  readonly plan: ViewPlan;
  readonly level: Level;
  readonly nodata: number | undefined;
  readonly hasMask: boolean;
  readonly maxBytes: number;
  readonly read: ReadOptions;
}

/** Stored bytes that are asked for together: enough for any window on a screen, and for a link to be full. */
const BATCH_BYTES = 64 * 1024 * 1024;
/** The codecs of zlib run on as many threads. */
const DECODERS = 4;

interface Batch {
  readonly strips: readonly Strip[];
  readonly bytes: Promise<ReadonlyMap<string, Uint8Array>>;
}

/**
 * Strip after strip; the stored bytes of the next ones are fetched while these are decoded. Throws `malformed` when a unit is
 * damaged, and `unsupported` when one is larger than `maxBytes`.
 */
export async function* scanView(input: ScanInput): AsyncGenerator<RasterWindow> {
  const batches = batchesOf(input);
  const decoded = new DecodedUnits(input.maxBytes);
  let next = batches.next();
  while (!next.done) {
    const { strips, bytes } = next.value;
    const units = await bytes;
    next = batches.next();
    // what is fetched ahead may fail before anyone waits for it
    if (!next.done) next.value.bytes.catch(() => undefined);
    for (const strip of strips) yield await makeStrip(input, { strip, units, decoded });
  }
}

function* batchesOf(input: ScanInput): Generator<Batch> {
  let strips: Strip[] = [];
  let size = 0;
  let ranges = new Map<string, ByteRange>();
  const close = (): Batch => {
    const batch = { strips, bytes: fetchUnits(input, ranges) };
    [strips, size, ranges] = [[], 0, new Map()];
    return batch;
  };
  const sound = new Set<UnitForm>();
  for (const strip of input.plan.strips()) {
    checkSizes(input, strip);
    for (const { form, range } of strip.pieces) {
      if (sound.has(form)) continue;
      checkDecodable(form, range === undefined);
      if (range !== undefined) sound.add(form);
    }
    const fresh = strip.pieces.flatMap(({ range }) => (range === undefined || ranges.has(keyOf(range)) ? [] : [range]));
    const bytes = fresh.reduce((sum, { start, end }) => sum + end - start, 0);
    if (bytes > input.maxBytes) {
      throw new RiffleError(
        "unsupported",
        `one row of tiles or strips takes ${bytes} bytes, more than ${input.maxBytes}`,
      );
    }
    if (size + bytes > BATCH_BYTES && strips.length > 0) yield close();
    for (const range of fresh) ranges.set(keyOf(range), range);
    strips.push(strip);
    size += bytes;
  }
  if (strips.length > 0) yield close();
}

/** What decoding the largest of these takes: its bytes as stored, as decoded, and widened. */
function peakBytes(pieces: readonly Piece[]): number {
  return pieces.reduce((most, { form, rows, range }) => {
    const { image, type, samples, rowBytes } = form;
    const stored = range === undefined ? 0 : range.end - range.start;
    const widened = type.bits === type.bytes * 8 ? 0 : image.unitWidth * samples * type.bytes;
    return Math.max(most, stored + rows * (rowBytes + widened));
  }, 0);
}

/** Before anything of its size is allocated. */
function checkSizes({ view, maxBytes, level }: ScanInput, { pieces }: Strip): void {
  const row = view.width * (level.form.type.bytes * view.bands.length + 1);
  const unit = peakBytes(pieces);
  if (unit + row <= maxBytes) return;
  throw new RiffleError(
    "unsupported",
    `decoding a tile or strip of the TIFF takes ${unit} bytes, more than ${maxBytes}`,
    {
      facts: { unitBytes: unit, rowBytes: row, maxBytes },
    },
  );
}

function keyOf({ start, end }: ByteRange): string {
  return `${start} ${end}`;
}

async function fetchUnits(
  { source, read }: ScanInput,
  ranges: ReadonlyMap<string, ByteRange>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  if (ranges.size === 0) return new Map();
  const answers = await source.readMany([...ranges.values()], read);
  return new Map([...ranges.keys()].map((key, i) => [key, answers[i] ?? new Uint8Array()]));
}

interface StripWork {
  readonly strip: Strip;
  readonly decoded: DecodedUnits;
  readonly units: ReadonlyMap<string, Uint8Array>;
}

async function makeStrip(input: ScanInput, work: StripWork): Promise<RasterWindow> {
  const { strip, decoded } = work;
  const { view, level, hasMask } = input;
  const { name, bytes } = level.form.type;
  const pixels = (strip.to - strip.from) * view.width;
  const canvas: Canvas = {
    view,
    from: strip.from,
    to: strip.to,
    bands: view.bands.map(() => new Uint8Array(pixels * bytes)),
    mask: hasMask ? new Uint8Array(pixels) : undefined,
  };
  if (strip.pieces.some(({ range, form }) => range === undefined && form === level.form)) fillNodata(input, canvas);
  const atOnce = Math.floor(input.maxBytes / 2 / Math.max(1, peakBytes(strip.pieces)));
  const limiter = new Limiter(Math.max(1, Math.min(DECODERS, atOnce)));
  decoded.enter(strip.unitRow);
  await settleAll(strip.pieces.map((piece) => limiter.run(() => showPiece(input, { ...work, canvas, piece }))));
  return {
    width: view.width,
    height: view.height,
    row: strip.from,
    rows: strip.to - strip.from,
    bands: canvas.bands.map((band) => samplesOver(name, band)),
    mask: canvas.mask,
    transform: view.transform,
  };
}

/** All end before the first failure is told, so that none works on behind it. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

interface PieceWork extends StripWork {
  readonly canvas: Canvas;
  readonly piece: Piece;
}

async function showPiece({ read }: ScanInput, { canvas, piece, units, strip, decoded }: PieceWork): Promise<void> {
  if (piece.range === undefined) return;
  const before = decoded.get(piece);
  if (before !== undefined) {
    paint(canvas, { piece, pixels: before });
    return;
  }
  const stored = units.get(keyOf(piece.range));
  if (stored?.length !== piece.range.end - piece.range.start) {
    throw new RiffleError("internal", "a unit was not fetched as it was planned");
  }
  // decoding takes the thread for milliseconds: others, and the signal, get their turn between two units
  await nextTurn();
  if (read.signal?.aborted === true) throw abortError(read.signal);
  // several units may be cut from the same bytes, and decoding uses them up
  const bytes = piece.hasLeader ? afterLeader(stored) : stored;
  const pixels = await decodeUnit(new Uint8Array(bytes), { form: piece.form, rows: piece.rows });
  if (strip.continues && !hasPlainRows(piece.form.image)) decoded.keep(piece, pixels);
  paint(canvas, { piece, pixels });
}

/** What a leader says to be the unit; it must be what the places said, or less. */
function afterLeader(stored: Uint8Array): Uint8Array {
  const length = new DataView(stored.buffer, stored.byteOffset, stored.byteLength).getUint32(0, true);
  if (length <= stored.length - LEADER_BYTES) return stored.subarray(LEADER_BYTES, LEADER_BYTES + length);
  throw new RiffleError(
    "malformed",
    `a tile's leader says ${length} bytes, and its place has ${stored.length - LEADER_BYTES}`,
  );
}

/** What sparse units show, where the file has such a value and its type can hold it. */
function fillNodata({ nodata, level }: ScanInput, { bands }: Canvas): void {
  if (nodata === undefined || level.form.type.kind.startsWith("complex")) return;
  for (const band of bands) {
    const samples = samplesOver(level.form.type.name, band);
    if (samples instanceof BigInt64Array || samples instanceof BigUint64Array) {
      if (Number.isInteger(nodata)) samples.fill(BigInt(nodata));
    } else if (level.form.type.kind === "float") {
      samples.fill(nodata);
    } else {
      const [probe] = samples.subarray(0, 1).fill(nodata);
      samples.fill(probe === nodata ? nodata : 0);
    }
  }
}
