import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { extentRanges, extentTable } from "../extents.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import type { RasterMetadata, RasterQuery, RasterReader, RasterWindow } from "../raster.ts";
import { heldUnits } from "./extents.ts";
import { readGeoTags } from "./georeference.ts";
import { readPlan } from "../read-plan.ts";
import { planView, type ViewPlan } from "./pieces.ts";
import { readPyramid, type Level } from "./pyramid.ts";
import { describe } from "./raster-metadata.ts";
import { scanView } from "./scan.ts";
import { openTiff, type TiffFile } from "./tiff-file.ts";
import { resolveView, type View } from "./view.ts";

/** What decoding one unit may take: with the strip of the result and the program itself, less than 1 GiB. */
const DEFAULT_MAX_BYTES = 768 * 1024 * 1024;
/** Rows of the result that are made at once. */
const STRIP_BYTES = 64 * 1024 * 1024;

interface Opened {
  readonly file: TiffFile;
  readonly levels: readonly [Level, ...Level[]];
  readonly metadata: RasterMetadata;
  readonly alpha: number | undefined;
  readonly options: FormatOptions;
}

/**
 * Opens the first image of a TIFF with its overviews and masks; only directories are read. Throws `malformed`, `unsupported`,
 * or what the source rejects with.
 */
export async function tiffRaster(source: RangeSource, options: FormatOptions = {}): Promise<RasterReader> {
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const file = await openTiff(source, signal);
  const levels = await readPyramid(file);
  const tags = await readGeoTags(file.index, { directory: levels[0].form.image.directory, layout: file.layout });
  const { metadata, alpha } = describe(levels, tags);
  const opened: Opened = { file, levels, metadata, alpha: maskingAlpha(metadata, { alpha, levels }), options };
  return {
    metadata,
    extents: () => extentRanges(extentTable(heldUnits(file), source.size)),
    plan: (query) => planOf(opened, query),
    scan: (query, how) => scanOf(opened, { query, how: how ?? {} }),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** A mask of its own comes first, then a value for no data, then the alpha of gray or coloured pixels, as in GDAL. */
function maskingAlpha(
  { bands }: RasterMetadata,
  { alpha, levels }: { readonly alpha: number | undefined; readonly levels: readonly [Level, ...Level[]] },
): number | undefined {
  const { type } = levels[0].form;
  const isAlone = levels[0].mask === undefined && bands[0]?.nodata === undefined;
  const isLast = (bands.length === 2 || bands.length === 4) && alpha === bands.length - 1;
  return isAlone && isLast && type.kind === "unsigned" && type.bytes <= 2 ? alpha : undefined;
}

async function prepare(
  { file, levels, metadata, alpha, options }: Opened,
  query: RasterQuery,
): Promise<{ readonly view: View; readonly plan: ViewPlan; readonly level: Level }> {
  const view = await resolveView(query, metadata);
  const level = levels[view.level] ?? levels[0];
  const maxStripBytes = Math.min(STRIP_BYTES, (options.maxBytes ?? DEFAULT_MAX_BYTES) / 4);
  const plan = await planView({
    index: file.index,
    layout: file.layout,
    level,
    view,
    packed: file.ghost?.packed === true,
    alpha,
    maxStripBytes,
  });
  return { view, plan, level };
}

async function planOf(opened: Opened, query: RasterQuery): Promise<ReadPlan> {
  const { view, plan } = await prepare(opened, query);
  const ranges: { range: ByteRange; purpose: string }[] = [];
  for (const { pieces } of plan.strips()) {
    for (const { range, form } of pieces) {
      const what = form.image.tiled ? "tile" : "strip";
      if (range !== undefined) ranges.push({ range, purpose: form.image.subfileType & 4 ? `mask ${what}` : what });
    }
  }
  const { levels, metadata } = opened;
  const pruned = [
    { what: "resolutions", total: levels.length, kept: 1 },
    { what: "bands", total: metadata.bands.length, kept: new Set(view.bands).size },
    { what: "tiles or strips of the resolution", total: plan.unitsTotal, kept: plan.unitsKept },
  ];
  return readPlan({ ranges, indexBytes: opened.file.index.held, pruned }, opened.options);
}

async function* scanOf(
  opened: Opened,
  asked: { readonly query: RasterQuery; readonly how: ReadOptions },
): AsyncGenerator<RasterWindow> {
  const { view, plan, level } = await prepare(opened, asked.query);
  const signal = asked.how.signal ?? opened.options.signal;
  yield* scanView({
    source: opened.file.index.source,
    view,
    plan,
    level,
    nodata: opened.metadata.bands[0]?.nodata,
    hasMask: level.mask !== undefined || opened.alpha !== undefined,
    maxBytes: opened.options.maxBytes ?? DEFAULT_MAX_BYTES,
    read: { priority: "demand", ...(signal === undefined ? {} : { signal }) },
  });
}
