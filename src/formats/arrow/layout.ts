import { DataType, UnionMode, type Field } from "apache-arrow";
import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import type { BatchHeader } from "./message.ts";

/** Where the parts of a column stand in the lists of a batch's header. */
export interface ColumnParts {
  readonly nodes: ByteRange;
  readonly buffers: ByteRange;
  readonly variadic: ByteRange;
}

interface Cursor {
  node: number;
  buffer: number;
  variadic: number;
}

/** The parts of each top-level column. Throws `malformed` when the header has fewer than the schema needs. */
export function columnParts(fields: readonly Field[], header: BatchHeader): readonly ColumnParts[] {
  const cursor: Cursor = { node: 0, buffer: 0, variadic: 0 };
  const parts = fields.map((field) => {
    const from = { ...cursor };
    advance(field.type as DataType, { cursor, header });
    return {
      nodes: { start: from.node, end: cursor.node },
      buffers: { start: from.buffer, end: cursor.buffer },
      variadic: { start: from.variadic, end: cursor.variadic },
    };
  });
  if (cursor.node > header.nodes.length || cursor.buffer > header.buffers.length) {
    throw new RiffleError("malformed", "a record batch with fewer buffers than its schema has");
  }
  return parts;
}

function advance(type: DataType, walk: { readonly cursor: Cursor; readonly header: BatchHeader }): void {
  const { cursor, header } = walk;
  cursor.node++;
  cursor.buffer += fixedBuffers(type, header);
  if (isView(type)) cursor.buffer += header.variadic[cursor.variadic++] ?? 0;
  if (DataType.isDictionary(type)) return;
  for (const child of (type.children ?? []) as readonly Field[]) advance(child.type as DataType, walk);
}

/** Arrow columnar format, "Buffer Listing for Each Layout". A dictionary's column has the buffers of its indices. */
export function fixedBuffers(type: DataType, { hasUnionValidity }: Pick<BatchHeader, "hasUnionValidity">): number {
  if (DataType.isNull(type)) return 0;
  if (DataType.isUnion(type)) return (type.mode === UnionMode.Dense ? 2 : 1) + (hasUnionValidity ? 1 : 0);
  if (DataType.isStruct(type) || DataType.isFixedSizeList(type)) return 1;
  return isBytes(type) ? 3 : 2;
}

export function isView(type: DataType): boolean {
  return DataType.isUtf8View(type) || DataType.isBinaryView(type);
}

/** Types of offsets and bytes. */
export function isBytes(type: DataType): boolean {
  return DataType.isUtf8(type) || DataType.isBinary(type) || DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);
}
