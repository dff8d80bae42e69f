import type { RecordBatch, Schema } from "apache-arrow";
import { isRiffleError, RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import { columnData, type ColumnValue } from "../build/column-data.ts";
import { recordBatch } from "../build/record-batch.ts";
import type { BoundingBox } from "../table.ts";
import { flatTable, flatVector, rootTable } from "../flatbuffer.ts";
import { shapeOf } from "./geometry.ts";
import type { FlatgeobufHeader } from "./header.ts";
import { propertyValues } from "./properties.ts";
import { boundsOf, boxesMeet, wkbOf } from "./wkb.ts";

/** One feature is geometry and properties of one thing: this bounds what is held for it. */
export const MAX_FEATURE_BYTES: number = 256 * 1024 * 1024;

/** A feature as it lies in the file, without the length before it. */
export interface FeatureBytes {
  readonly row: number;
  readonly bytes: Uint8Array;
}

export interface FeatureOptions {
  readonly header: FlatgeobufHeader;
  readonly schema: Schema;
  /** Places of the columns wanted, in the order of the schema. */
  readonly needed: readonly number[];
  /** Only features whose vertices' bounds meet it: for files without an index. */
  readonly box?: BoundingBox;
}

const FIELD = { geometry: 0, properties: 1, columns: 2 } as const;

/** A batch of these features. Throws `malformed` naming the feature. */
export function featureBatch(features: readonly FeatureBytes[], options: FeatureOptions): RecordBatch {
  const { schema, needed } = options;
  const wanted = schema.selectAt([...needed]);
  const columns: ColumnValue[][] = needed.map(() => []);
  let rows = 0;
  for (const feature of features) {
    const values = named(feature.row, () => featureValues(feature.bytes, options));
    if (values === undefined) continue;
    for (const [at, place] of needed.entries()) columns[at]?.push(values[place]);
    rows++;
  }
  return recordBatch(wanted, {
    columns: wanted.fields.map(({ type }, index) => columnData(type, columns[index] ?? [])),
    rows,
  });
}

/** Properties, then WKB; undefined when the box does not want the feature. */
function featureValues(bytes: Uint8Array, options: FeatureOptions): readonly ColumnValue[] | undefined {
  const { header, schema, needed, box } = options;
  const table = rootTable(bytes);
  if ((flatVector(table, FIELD.columns, 4)?.length ?? 0) > 0) {
    throw new RiffleError("unsupported", "it has columns of its own, which no other feature has");
  }
  const isWanted = box !== undefined || needed.includes(schema.fields.length - 1);
  const geometry = isWanted ? flatTable(table, FIELD.geometry) : undefined;
  const { geometryType: type, hasZ, hasM } = header;
  const shape = geometry === undefined ? undefined : shapeOf(geometry, { type, hasZ, hasM });
  if (box !== undefined) {
    const bounds = shape === undefined ? undefined : boundsOf(shape);
    if (bounds === undefined || !boxesMeet(bounds, box)) return undefined;
  }
  const vector = flatVector(table, FIELD.properties, 1) ?? { start: 0, length: 0 };
  const properties = propertyValues(bytes.subarray(vector.start, vector.start + vector.length), header.columns);
  return [...properties, shape === undefined ? null : wkbOf(shape, header)];
}

function named<T>(row: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isRiffleError(error)) throw error;
    throw new RiffleError(error.code, `feature ${row}: ${error.message}`, { cause: error });
  }
}

/** The features that lie whole in these bytes, and how many bytes they take. */
export function splitFeatures(
  bytes: Uint8Array,
  { row, left }: { row: number; left: number },
): { features: readonly FeatureBytes[]; used: number } {
  const view = viewOf(bytes);
  const features: FeatureBytes[] = [];
  let used = 0;
  while (used + 4 <= bytes.length) {
    const length = view.getUint32(used, true);
    checkLength(length, { row: row + features.length, left: left - used });
    if (used + 4 + length > bytes.length) break;
    features.push({ row: row + features.length, bytes: bytes.subarray(used + 4, used + 4 + length) });
    used += 4 + length;
  }
  return { features, used };
}

function checkLength(length: number, { row, left }: { row: number; left: number }): void {
  if (length + 4 > left)
    throw new RiffleError("malformed", `feature ${row} is said to have ${length} bytes where ${left - 4} are left`);
  if (length > MAX_FEATURE_BYTES)
    throw new RiffleError("unsupported", `feature ${row} has ${length} bytes: more than 256 MiB`);
}

/** The feature that an index places here. Throws `malformed` when another length stands there. */
export function placedFeature(bytes: Uint8Array, row: number): FeatureBytes {
  const length = bytes.length < 4 ? -1 : viewOf(bytes).getUint32(0, true);
  if (length + 4 !== bytes.length) {
    throw new RiffleError("malformed", `feature ${row} does not have the length that the index gives it`);
  }
  return { row, bytes: bytes.subarray(4, 4 + length) };
}
