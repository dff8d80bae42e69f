import { RiffleError } from "../../errors.ts";
import type { BoundingBox } from "../../formats/table.ts";
import type { PixelWindow, RasterQuery } from "../../formats/raster.ts";

function refuse(what: string, text: string, hint: string): never {
  throw new RiffleError("usage", `not ${what}: "${text.slice(0, 80)}"`, { hint });
}

function numbers(text: string): readonly number[] {
  // `Number` takes an empty text for 0.
  return text.split(",").map((word) => (word.trim() === "" ? Number.NaN : Number(word)));
}

/** `a,b.c,"d,e"`: names between commas; in double quotes a comma is a part of the name, and two quotes are one. */
export function parseNames(text: string): readonly string[] {
  const hint = 'names with commas between them, such as a,b; "a,b" in quotes is one name';
  const names: string[] = [];
  const word = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (let more = true; more;) {
    const match = word.exec(text);
    const name = match?.[1]?.replaceAll('""', '"') ?? match?.[2]?.trim() ?? "";
    if (match === null || name === "") return refuse("a list of names", text, hint);
    names.push(name);
    more = match[3] === ",";
  }
  return names;
}

/** `W,S,E,N`; west may be greater than east: the box then spans the antimeridian. Throws `usage`. */
export function parseBox(text: string): BoundingBox {
  const [west = Number.NaN, south = Number.NaN, east = Number.NaN, north = Number.NaN, ...rest] = numbers(text);
  const isBox = [west, south, east, north].every(Number.isFinite) && south <= north && rest.length === 0;
  return isBox ? { west, south, east, north } : refuse("a box", text, "W,S,E,N: four numbers, south at most north");
}

/** `X,Y,W,H`: whole pixels; what lies outside is the reader's to judge. Throws `usage`. */
export function parseWindow(text: string): PixelWindow {
  const [x = Number.NaN, y = Number.NaN, width = Number.NaN, height = Number.NaN, ...rest] = numbers(text);
  const isWindow = [x, y, width, height].every(Number.isSafeInteger) && width > 0 && height > 0 && rest.length === 0;
  return isWindow ? { x, y, width, height } : refuse("a window", text, "X,Y,W,H: whole pixels, column and row first");
}

/** `W,H`: whole pixels. Throws `usage`. */
export function parsePixelSize(text: string): { readonly width: number; readonly height: number } {
  const [width = Number.NaN, height = Number.NaN, ...rest] = numbers(text);
  const isSize = [width, height].every((value) => Number.isSafeInteger(value) && value > 0) && rest.length === 0;
  return isSize ? { width, height } : refuse("a size", text, "W,H: whole pixels of the result");
}

/** `1,2`: bands, counted from 1. Throws `usage`. */
export function parseBands(text: string): readonly number[] {
  const bands = numbers(text);
  const areBands = bands.every((band) => Number.isSafeInteger(band) && band > 0);
  return areBands ? bands : refuse("a list of bands", text, "numbers from 1, such as 1,2");
}

/** `Z/X/Y`. Throws `usage`. */
export function parseTile(text: string): NonNullable<RasterQuery["tile"]> {
  const match = /^(\d{1,2})\/(\d{1,10})\/(\d{1,10})$/.exec(text.trim());
  if (match === null) return refuse("a tile", text, "Z/X/Y: zoom, column, row, such as 3/4/2");
  return { z: Number(match[1]), x: Number(match[2]), y: Number(match[3]) };
}

/** A whole number of rows. Throws `usage`. */
export function parseLimit(text: string): number {
  const limit = /^\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(limit) ? limit : refuse("a number of rows", text, "such as 10");
}
