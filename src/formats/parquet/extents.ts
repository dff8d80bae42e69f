import type { RangeSource } from "../../bytes/source.ts";
import { isRiffleError } from "../../errors.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { FormatOptions } from "../format.ts";
import type { ExtentOptions } from "../format-module.ts";
import { readFooter, readWithTail, type Footer } from "./footer.ts";
import { parseMetadata, type ColumnChunk, type ParquetMetadata } from "./metadata.ts";
import { dictionaryRange, parseOffsetIndex } from "./page-index.ts";

/** A mount waits for this: more is not worth it. */
const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** More than a page's header. */
const FRONT_BYTES = 4096;

/**
 * Column chunks, or their pages where an offset index places them, with the ordinal of the leaf column as series. Footer in
 * one read or two, all offset indexes in one more; until they are there, the fronts of chunks, which tell who reads without them.
 * An index of more than `maxBytes` gives chunks only; a footer of more, or
 * an encrypted one, nothing.
 */
export async function parquetExtents(source: RangeSource, options: ExtentOptions = {}): Promise<ExtentTable> {
  const limit = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const footer = await readFooter(source, { ...options, maxBytes: limit }).catch((error: unknown) => {
    if (isRiffleError(error) && error.code === "unsupported") return undefined;
    throw error;
  });
  if (footer === undefined) return NO_EXTENTS;
  const metadata = parseMetadata(footer.bytes, source.size);
  if (hasOffsetIndex(metadata)) options.early?.(extentTable(frontExtents(metadata), source.size));
  const pages = await readOffsetIndexes(source, { ...options, footer, metadata, limit: limit - footer.bytes.length });
  return extentTable(fileExtents(metadata, pages), source.size);
}

/** The units of a file, `index` being the offset indexes of those chunks that have one. */
export function fileExtents(metadata: ParquetMetadata, index: ReadonlyMap<ColumnChunk, Uint8Array>): readonly Extent[] {
  return metadata.rowGroups.flatMap((group) =>
    group.chunks.flatMap((chunk, series) => chunkExtents({ chunk, series, index: index.get(chunk) })),
  );
}

function hasOffsetIndex({ rowGroups }: ParquetMetadata): boolean {
  return rowGroups.some(({ chunks }) => chunks.some(({ offsetIndex }) => offsetIndex !== undefined));
}

/** The first bytes of each chunk as a part of it: a read of a page's header there has the chunk, any other what it reads. */
function frontExtents(metadata: ParquetMetadata): readonly Extent[] {
  return metadata.rowGroups.flatMap((group) =>
    group.chunks.map(({ range: whole }, series) => {
      const end = Math.min(whole.end, whole.start + FRONT_BYTES);
      return { start: whole.start, end, series, whole };
    }),
  );
}

interface ChunkPages {
  readonly chunk: ColumnChunk;
  readonly series: number;
  readonly index: Uint8Array | undefined;
}

function chunkExtents({ chunk, series, index }: ChunkPages): readonly Extent[] {
  const pages = index === undefined ? undefined : parseOffsetIndex(index, chunk);
  if (pages === undefined) return [{ ...chunk.range, series }];
  const dictionary = dictionaryRange(chunk, pages);
  const units = dictionary === undefined ? pages : [dictionary, ...pages];
  return units.map(({ start, end }) => ({ start, end, series, whole: chunk.range }));
}

interface IndexRead extends FormatOptions {
  readonly footer: Footer;
  readonly metadata: ParquetMetadata;
  readonly limit: number;
}

async function readOffsetIndexes(
  source: RangeSource,
  options: IndexRead,
): Promise<ReadonlyMap<ColumnChunk, Uint8Array>> {
  const { footer, metadata, limit } = options;
  const chunks = metadata.rowGroups.flatMap((group) => group.chunks.filter((chunk) => chunk.offsetIndex !== undefined));
  const ranges = chunks.flatMap(({ offsetIndex }) => offsetIndex ?? []);
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  if (ranges.length === 0 || bytes > limit) return new Map();
  const read = await readWithTail(source, { ...options, tail: footer.tail, ranges });
  return new Map(chunks.map((chunk, at) => [chunk, read[at] ?? new Uint8Array()]));
}
