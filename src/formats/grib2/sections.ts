import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { Fact } from "../format.ts";
import { startsWith } from "../magic.ts";
import type { Pieces } from "../pieces.ts";

/** What sections 1, 3, 4 and 5 tell of one field, in words where the code tables are short. */
export type GribField = { readonly [name: string]: Fact };

const INDICATOR_BYTES = 16;
const SECTION_HEADER_BYTES = 5;
/** Templates are longer in places, but what is told of them lies in their first bytes. */
const READ_SECTION_BYTES = 128;
/** A message repeats sections 2 to 7 for each field. */
const MAX_SECTIONS = 10_000;
const DATA_SECTION = 7;

/** Code table 5.0, the common ones. */
const PACKINGS: Readonly<Record<number, string>> = {
  0: "simple",
  2: "complex",
  3: "complex with spatial differencing",
  4: "IEEE floating point",
  40: "JPEG 2000",
  41: "PNG",
  42: "CCSDS",
};
/** Code table 3.1. */
const GRIDS: Readonly<Record<number, string>> = {
  0: "latitude/longitude",
  1: "rotated latitude/longitude",
  10: "Mercator",
  20: "polar stereographic",
  30: "Lambert conformal",
  40: "Gaussian",
  50: "spherical harmonics",
  90: "space view",
  101: "unstructured",
};
/** Those whose columns and rows stand at octets 31 and 35. */
const REGULAR_GRIDS: ReadonlySet<number> = new Set([0, 1, 10, 20, 30, 40]);
/** Product templates with the common beginning: category, number, forecast time, first surface. */
const LAST_COMMON_PRODUCT = 15;

const twoDigits = (value: number): string => String(value).padStart(2, "0");

/** By number of section. */
const TELLERS: Readonly<Record<number, (view: DataView, discipline: number) => GribField>> = {
  1: identification,
  3: grid,
  4: product,
  5: packing,
};

function identification(view: DataView): GribField {
  if (view.byteLength < 21) return {};
  const [month, day, hour, minute, second] = [14, 15, 16, 17, 18].map((at) => twoDigits(view.getUint8(at)));
  return {
    centre: view.getUint16(5, false),
    time: `${view.getUint16(12, false)}-${month}-${day}T${hour}:${minute}:${second}Z`,
  };
}

function grid(view: DataView): GribField {
  if (view.byteLength < 14) return {};
  const template = view.getUint16(12, false);
  const name = GRIDS[template] ?? `template ${template}`;
  const points = view.getUint32(6, false);
  if (!REGULAR_GRIDS.has(template) || view.byteLength < 38) return { grid: name, points };
  return { grid: name, width: view.getUint32(30, false), height: view.getUint32(34, false) };
}

/** Integers have a sign bit in GRIB, no two's complement. */
function signed(value: number, bits: number): number {
  const sign = 2 ** (bits - 1);
  return value >= sign ? -(value - sign) : value;
}

function product(view: DataView, discipline: number): GribField {
  if (view.byteLength < 11) return {};
  const template = view.getUint16(7, false);
  const parameter = `${discipline}.${view.getUint8(9)}.${view.getUint8(10)}`;
  if (template > LAST_COMMON_PRODUCT || view.byteLength < 28) return { parameter };
  const forecast = { forecast: signed(view.getUint32(18, false), 32), forecastUnit: view.getUint8(17) };
  const surface = view.getUint8(22);
  if (surface === 255) return { parameter, ...forecast };
  const level = signed(view.getUint32(24, false), 32) / 10 ** signed(view.getUint8(23), 8);
  return { parameter, ...forecast, surface, level: Number.isFinite(level) ? level : null };
}

function packing(view: DataView): GribField {
  if (view.byteLength < 11) return {};
  const template = view.getUint16(9, false);
  return { packing: PACKINGS[template] ?? `template ${template}` };
}

export interface SectionBounds {
  readonly start: number;
  readonly end: number;
  /** Whether a read would be within the budget. */
  readonly isAffordable: (from: number, to: number) => boolean;
}

/** The fields of one message of edition 2; only those before the budget ran out. Throws `malformed` where sections contradict it. */
export async function parseSections(
  pieces: Pieces,
  { start, end, isAffordable }: SectionBounds,
): Promise<readonly GribField[]> {
  const indicator = await pieces.read({ start, end: start + INDICATOR_BYTES });
  const discipline = indicator[6] ?? 0;
  const fields: GribField[] = [];
  // Sections that are not repeated hold for the fields that follow.
  const told = new Map<number, GribField>();
  let at = start + INDICATOR_BYTES;
  for (let count = 0; count < MAX_SECTIONS && at + SECTION_HEADER_BYTES <= end; count += 1) {
    const until = Math.min(end, at + READ_SECTION_BYTES);
    if (!isAffordable(at, until)) break;
    const bytes = await pieces.read({ start: at, end: until });
    if (startsWith(bytes, "7777")) break;
    const length = viewOf(bytes).getUint32(0, false);
    if (length < SECTION_HEADER_BYTES || at + length > end) {
      throw new RiffleError("malformed", `the GRIB message at byte ${start} is broken: a section of ${length} bytes`);
    }
    const number = bytes[4] ?? 0;
    const tell = TELLERS[number];
    if (tell !== undefined) told.set(number, tell(viewOf(bytes.subarray(0, length)), discipline));
    else if (number === DATA_SECTION)
      fields.push(Object.fromEntries([...told.values()].flatMap((facts) => Object.entries(facts))));
    at += length;
  }
  return fields;
}
