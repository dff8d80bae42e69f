import { extentTable, type Extent, type ExtentTable } from "../../src/formats/extents.ts";

/** A table file: groups of columns of these sizes, one behind the other from `start`. */
export function columnTable(
  columns: readonly number[],
  options: { readonly groups: number; readonly start?: number; readonly size: number; readonly pages?: number },
): ExtentTable {
  const extents: Extent[] = [];
  let at = options.start ?? 4;
  for (let group = 0; group < options.groups; group++) {
    for (const [series, bytes] of columns.entries()) {
      const whole = { start: at, end: at + bytes };
      const pages = options.pages ?? 1;
      const step = Math.ceil(bytes / pages);
      for (let page = 0; page < pages; page++) {
        const range = { start: at + page * step, end: Math.min(whole.end, at + (page + 1) * step) };
        extents.push({ ...range, series, ...(pages === 1 ? {} : { whole }) });
      }
      at = whole.end;
    }
  }
  return extentTable(extents, options.size);
}

/** Tiles of these sizes, `padding` bytes apart: one image. */
export function tileTable(
  tiles: readonly number[],
  options: { readonly start: number; readonly padding?: number; readonly size: number },
): ExtentTable {
  let at = options.start;
  const extents = tiles.map((bytes): Extent => {
    const tile = { start: at, end: at + bytes, series: 0 };
    at += bytes + (options.padding ?? 0);
    return tile;
  });
  return extentTable(extents, options.size);
}
