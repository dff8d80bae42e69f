import type { RecordBatch, Schema } from "apache-arrow";
import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import type { FormatOptions, ReadPlan } from "../format.ts";
import { readPlan } from "../read-plan.ts";
import { bindRows, type BoundRows } from "../rows.ts";
import { tableColumns } from "../table-columns.ts";
import type { TableQuery, TableReader } from "../table.ts";
import { featureBatch, MAX_FEATURE_BYTES, placedFeature, splitFeatures } from "./features.ts";
import { readHeader, type FlatgeobufHeader } from "./header.ts";
import { featureSchema } from "./properties.ts";
import { searchTree, type FeaturePlace } from "./rtree.ts";
import { RiffleError } from "../../errors.ts";

const FIRST_WINDOW_BYTES = 1024 * 1024;
const LEAST_WINDOW_BYTES = 64 * 1024;
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;

interface Opened {
  readonly source: RangeSource;
  readonly header: FlatgeobufHeader;
  readonly schema: Schema;
}

/** A FlatGeobuf file as a table. A box is answered by the index where there is one, else by looking at every feature. */
export async function flatgeobufTable(source: RangeSource, options: FormatOptions = {}): Promise<TableReader> {
  const header = await readHeader(source, options);
  const opened: Opened = { source, header, schema: featureSchema(header) };
  const { index } = header;
  return {
    metadata: { format: "flatgeobuf", columns: tableColumns(opened.schema), rows: header.features },
    extents: () => (rangeLength(index) > 0 ? [index] : []),
    plan: (query, how = {}) => planFeatures(opened, { query, options: { ...options, ...how } }),
    scan: (query, how = {}) => {
      const bound = bindRows(opened.schema, query);
      return bound.run(batches(opened, { bound, query, how: { ...options, ...how } }));
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function isIndexed({ index }: FlatgeobufHeader): boolean {
  return rangeLength(index) > 0;
}

/** A box with an index: the features that it finds. Else all of the features, or about as many bytes as the limit takes. */
async function planFeatures(
  { source, header, schema }: Opened,
  { query, options }: { query: TableQuery; options: FormatOptions },
): Promise<ReadPlan> {
  bindRows(schema, query);
  const { index, features, head } = header;
  const at = index.end;
  const purpose = "features";
  if (query.bbox === undefined || !isIndexed(header)) {
    const all = { start: Math.max(at, head.length), end: source.size };
    const isLimited = query.limit !== undefined && query.where === undefined && query.bbox === undefined;
    const some = isLimited ? { ...all, end: Math.min(all.end, all.start + firstWindow(all, { header, query })) } : all;
    return readPlan(
      { ranges: rangeLength(some) > 0 ? [{ range: some, purpose }] : [], indexBytes: head.length },
      options,
    );
  }
  const ranges: ReadPlan["ranges"][number][] = [];
  for await (const places of searchTree(source, { ...signalOf(options), header, size: source.size, box: query.bbox })) {
    for (const { start, end } of places) ranges.push({ range: { start: start + at, end: end + at }, purpose });
  }
  const pruned = [{ what: "features by index", total: features ?? 0, kept: ranges.length }];
  return readPlan({ ranges, indexBytes: head.length, pruned }, options);
}

interface Batches {
  readonly bound: BoundRows;
  readonly query: TableQuery;
  readonly how: ReadOptions;
}

async function* batches(opened: Opened, { bound, query, how }: Batches): AsyncGenerator<RecordBatch> {
  const { source, header, schema } = opened;
  const { bbox: box } = query;
  const { needed } = bound;
  if (box !== undefined && isIndexed(header)) {
    const search = searchTree(source, { ...signalOf(how), header, size: source.size, box });
    for await (const places of search) {
      for (const group of groupsOf(places, query.limit)) {
        const ranges = group.map(({ start, end }) => ({
          start: start + header.index.end,
          end: end + header.index.end,
        }));
        const read = await source.readMany(ranges, { priority: "demand", ...signalOf(how) });
        const features = group.map(({ row }, at) => placedFeature(read[at] ?? new Uint8Array(), row));
        yield featureBatch(features, { header, schema, needed });
      }
    }
    return;
  }
  const filter = box === undefined ? {} : { box };
  for await (const features of allFeatures(opened, { query, how })) {
    yield featureBatch(features, { header, schema, needed, ...filter });
  }
}

/** Neighbours in groups of at most 8 MiB; the first of a limited query as many as the limit needs. */
function* groupsOf(places: readonly FeaturePlace[], limit = Infinity): Generator<readonly FeaturePlace[]> {
  let group: FeaturePlace[] = [];
  let bytes = 0;
  for (const place of places) {
    if (rangeLength(place) > MAX_FEATURE_BYTES + 4) {
      throw new RiffleError("unsupported", `feature ${place.row} has ${rangeLength(place)} bytes: more than 256 MiB`);
    }
    if (group.length > 0 && (bytes + rangeLength(place) > MAX_WINDOW_BYTES || group.length >= limit)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(place);
    bytes += rangeLength(place);
  }
  if (group.length > 0) yield group;
}

/** About what a limit takes, by the mean length of a feature; else a start from which windows grow. */
function firstWindow(all: ByteRange, { header, query }: { header: FlatgeobufHeader; query: TableQuery }): number {
  const { features } = header;
  if (query.limit === undefined || features === undefined || features === 0) return FIRST_WINDOW_BYTES;
  const guess = Math.ceil((rangeLength(all) / features) * query.limit * 1.25);
  return Math.min(FIRST_WINDOW_BYTES, Math.max(LEAST_WINDOW_BYTES, guess));
}

/** Every feature in the order of the file, in windows that double; the next is on its way while one is worked on, unless there is a limit. */
async function* allFeatures(
  { source, header }: Opened,
  { query, how }: Omit<Batches, "bound">,
): AsyncGenerator<ReturnType<typeof splitFeatures>["features"]> {
  let rest: Uint8Array = header.head.subarray(header.index.end);
  let next = header.index.end + rest.length;
  let window = firstWindow({ start: header.index.end, end: source.size }, { header, query });
  let row = 0;
  const read = (): Promise<Uint8Array> | undefined => {
    if (next >= source.size) return undefined;
    const range = { start: next, end: Math.min(source.size, next + window) };
    next = range.end;
    window = Math.min(window * 2, MAX_WINDOW_BYTES);
    const bytes = source.read(range, { priority: "demand", ...signalOf(how) });
    // Awaited below, or left behind when the reader stops: then nobody is to hear of its failure.
    bytes.catch(() => undefined);
    return bytes;
  };
  let coming = query.limit === undefined ? read() : undefined;
  for (let offset = header.index.end; ;) {
    const { features, used } = splitFeatures(rest, { row, left: source.size - offset });
    if (features.length > 0) yield features;
    row += features.length;
    offset += used;
    const more = await (coming ?? read());
    rest = rest.subarray(used);
    if (more === undefined) break;
    coming = query.limit === undefined ? read() : undefined;
    rest = rest.length === 0 ? more : Buffer.concat([rest, more]);
  }
  if (rest.length > 0) throw new RiffleError("malformed", `${rest.length} bytes behind the last feature: ${source.id}`);
  const { features: expected } = header;
  if (expected !== undefined && row !== expected) {
    throw new RiffleError("malformed", `${row} features where the header says ${expected}: ${source.id}`);
  }
}

function signalOf({ signal }: ReadOptions): ReadOptions {
  return signal === undefined ? {} : { signal };
}
