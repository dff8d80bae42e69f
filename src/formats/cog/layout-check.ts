import { HEAD_BYTES } from "../first-bytes.ts";
import type { Level } from "./pyramid.ts";
import type { TiffFile } from "./tiff-file.ts";
import { readUnits, tableRanges, unitCount } from "./units.ts";

/** How a file is laid out for readers by ranges. */
export interface LayoutCheck {
  /** As GDAL's `validate_cloud_optimized_geotiff` decides it. */
  readonly isCog: boolean;
  /** Sentences: what breaks the rules of a COG. */
  readonly faults: readonly string[];
  /** Sentences: what makes reading by ranges slower, a COG or not. */
  readonly slow: readonly string[];
}

/** Images up to this size need neither tiles nor overviews. */
const SMALL_SIDE = 512;

interface Placed {
  readonly level: Level;
  /** Of its directory, and of its first unit that has bytes; undefined when that is not known. */
  readonly directoryAt: number;
  readonly dataAt: number | undefined;
}

/** Reads the places of the first unit of every level, in one call. */
export async function checkLayout(file: TiffFile, levels: readonly [Level, ...Level[]]): Promise<LayoutCheck> {
  const placed = await place(file, levels);
  const [main, ...overviews] = placed;
  const faults: string[] = [];
  const slow: string[] = [];
  const { image } = levels[0].form;
  const isLarge = image.width > SMALL_SIDE || image.height > SMALL_SIDE;
  if (isLarge && !image.tiled) faults.push("the image is in strips, not in tiles");
  if (overviews.some(({ level }) => !level.form.image.tiled && isWide(level)))
    faults.push("an overview is in strips, not in tiles");
  if (main !== undefined) faults.push(...orderFaults([main, ...overviews]));
  if (main !== undefined && main.directoryAt > HEAD_BYTES) {
    slow.push("its first directory is not at the beginning: one more round trip finds it");
  }
  if (!image.tiled && image.width > SMALL_SIDE)
    slow.push("a window takes strips of full width: more bytes than its tiles would be");
  if (image.planar === 2 && image.samples > 1)
    slow.push("each band has tiles or strips of its own: all bands of a window take as many times more ranges");
  if (isLarge && overviews.length === 0)
    slow.push("it has no overviews: a small picture of all of it takes all of its bytes");
  const first = main?.dataAt;
  if (first !== undefined && placed.some(({ directoryAt }) => directoryAt > first)) {
    slow.push("some of its directories lie behind pixels: more round trips find them");
  }
  if (file.ghost?.values["KNOWN_INCOMPATIBLE_EDITION"] === "YES") {
    slow.push("it was made as a COG and edited since: what it says of its own layout is not believed");
  }
  if (file.broken !== undefined) slow.push(`its list of directories is damaged: ${file.broken}`);
  return { isCog: faults.length === 0, faults, slow };
}

function isWide({ form: { image } }: Level): boolean {
  return image.width > SMALL_SIDE || image.height > SMALL_SIDE;
}

/** Directories: the main one first, then overviews from large to small. Pixels: behind them, overviews from small to large, the main image last. */
function orderFaults(placed: readonly Placed[]): readonly string[] {
  const faults: string[] = [];
  const pairs = placed.slice(1).map((next, i) => [placed[i], next] as const);
  if (pairs.some(([before, next]) => (before?.directoryAt ?? 0) > next.directoryAt)) {
    faults.push("the directories are not in the order of size");
  }
  if (pairs.some(([before, next]) => (before?.dataAt ?? Infinity) < (next.dataAt ?? 0))) {
    faults.push("the pixels of an overview do not lie before those of the larger image");
  }
  const data = placed.flatMap(({ dataAt }) => dataAt ?? []);
  if (placed.some(({ directoryAt }) => directoryAt > Math.min(...data))) {
    faults.push("a directory lies behind pixels");
  }
  return faults;
}

async function place({ index, layout }: TiffFile, levels: readonly Level[]): Promise<readonly Placed[]> {
  const first = (level: Level): readonly { from: number; to: number }[] => [
    { from: 0, to: Math.min(64, unitCount(level.form.image)) },
  ];
  await index.load(levels.flatMap((level) => tableRanges({ image: level.form.image, layout, spans: first(level) })));
  const placed: Placed[] = [];
  for (const level of levels) {
    const { image } = level.form;
    const [units] = await readUnits(index, { image, layout, spans: first(level) }).catch(() => []);
    const dataAt = units?.offsets.find((offset, i) => offset > 0 && (units.lengths[i] ?? 0) > 0);
    placed.push({ level, directoryAt: image.directory.at, dataAt });
  }
  return placed;
}
