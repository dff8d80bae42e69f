import { DataType, type Data } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { isValid } from "./extract-field.ts";

/** Of one geometry, in the coordinates of the file; x first. */
export interface Bounds {
  readonly xmin: number;
  readonly ymin: number;
  readonly xmax: number;
  readonly ymax: number;
}

/** Undefined for a row without geometry, or with an empty one. */
export type BoundsOfRow = (row: number) => Bounds | undefined;

/** Bounds of well-known binary. */
export function wkbColumn(data: Data): BoundsOfRow {
  const bytes = data.values as Uint8Array;
  return (row) => {
    const [start = 0, end = 0] = [data.valueOffsets[row], data.valueOffsets[row + 1]] as (number | undefined)[];
    return isValid(data, row) ? wkbBounds(bytes.subarray(start, end)) : undefined;
  };
}

/** Geometry collections may hold each other. */
const MAX_DEPTH = 32;

/** By OGC 06-103r4 section 8.2, with Z and M as ISO (1000s) or PostGIS (high bits) say them. `malformed` where it breaks off. */
export function wkbBounds(bytes: Uint8Array): Bounds | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const box = growing();
  let at = 0;
  const need = (count: number): void => {
    if (!(count <= bytes.length - at)) throw new RiffleError("malformed", "a geometry (WKB) is cut short");
  };
  const uint = (little: boolean): number => {
    need(4);
    at += 4;
    return view.getUint32(at - 4, little);
  };
  const points = (count: number, { little, size }: { readonly little: boolean; readonly size: number }): void => {
    need(count * size);
    const end = at + count * size;
    for (; at < end; at += size) box.add(view.getFloat64(at, little), view.getFloat64(at + 8, little));
  };
  const geometry = (depth: number): void => {
    need(5);
    const little = bytes[at++] === 1;
    const code = uint(little);
    const kind = (code & 0xfff_ffff) % 1000;
    const iso = Math.floor((code & 0xfff_ffff) / 1000);
    const axes =
      2 + Number(iso === 1 || iso === 3 || code >>> 31 === 1) + Number(iso >= 2 || ((code >>> 30) & 1) === 1);
    if (((code >>> 29) & 1) === 1) uint(little);
    const shape = { little, size: axes * 8 };
    if (kind === 1) points(1, shape);
    else if (kind === 2) points(uint(little), shape);
    else if (kind === 3 || kind === 17) for (let rings = uint(little); rings > 0; rings--) points(uint(little), shape);
    else if (((kind >= 4 && kind <= 7) || kind === 15 || kind === 16) && depth < MAX_DEPTH) {
      for (let parts = uint(little); parts > 0; parts--) geometry(depth + 1);
    } else throw new RiffleError("unsupported", `a geometry (WKB) is of kind ${kind}, which riffle cannot read`);
  };
  geometry(0);
  return box.bounds();
}

/**
 * Bounds of GeoArrow's native encodings: coordinates as a struct of x and y or as a list of fixed size, below as many lists as the
 * kind of geometry has.
 */
export function nativeColumn(data: Data): BoundsOfRow {
  return (row) => {
    const box = growing();
    addNative(data, { start: row, end: row + 1, box });
    return box.bounds();
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly box: Growing;
}

function addNative(data: Data, { start, end, box }: Span): void {
  const type = data.type;
  const [first, second] = data.children;
  if (first === undefined)
    throw new RiffleError("unsupported", "a geometry column has an encoding that riffle cannot read");
  for (let row = start; row < end; row++) {
    if (!isValid(data, row)) continue;
    if (DataType.isStruct(type) && second !== undefined) {
      box.add(Number(first.values[row]), Number(second.values[row]));
    } else if (DataType.isFixedSizeList(type)) {
      const at = row * type.listSize;
      box.add(Number(first.values[at]), Number(first.values[at + 1]));
    } else {
      addNative(first, { start: Number(data.valueOffsets[row]), end: Number(data.valueOffsets[row + 1]), box });
    }
  }
}

interface Growing {
  readonly add: (x: number, y: number) => void;
  readonly bounds: () => Bounds | undefined;
}

/** NaN stands for an empty point, and does not count. */
function growing(): Growing {
  let [xmin, ymin, xmax, ymax] = [Infinity, Infinity, -Infinity, -Infinity];
  return {
    add: (x, y) => {
      if (Number.isNaN(x) || Number.isNaN(y)) return;
      xmin = Math.min(xmin, x);
      ymin = Math.min(ymin, y);
      xmax = Math.max(xmax, x);
      ymax = Math.max(ymax, y);
    },
    bounds: () => (xmin <= xmax ? { xmin, ymin, xmax, ymax } : undefined),
  };
}
