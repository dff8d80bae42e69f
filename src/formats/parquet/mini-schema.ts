import type { ParquetMetadata } from "./metadata.ts";
import { plainHint } from "./plain-types.ts";
import type { SchemaNode } from "./schema.ts";
import { editStruct, ThriftWriter } from "./thrift-writer.ts";

export const ARROW_SCHEMA = "ARROW:schema";
const INT96_BYTES = 12;
const FIXED_LEN_BYTE_ARRAY = 7;

/** What a small file says of its columns. */
export interface MiniSchema {
  readonly schema: readonly Uint8Array[];
  readonly keyValues: readonly Uint8Array[];
}

/** The schema of a file cut down to `leaves`, every other byte of its structs as the writer left it. */
export function miniSchema(metadata: ParquetMetadata, leaves: ReadonlySet<number>): MiniSchema {
  const keep = (node: SchemaNode): boolean => {
    for (let at = node.leaf; at < node.leaf + node.leaves; at++) if (leaves.has(at)) return true;
    return false;
  };
  const schema: Uint8Array[] = [];
  const visit = (node: SchemaNode): void => {
    const kept = node.children.filter((child) => keep(child));
    schema.push(element(metadata.footer, { node, children: kept.length }));
    kept.forEach(visit);
  };
  visit(metadata.root);
  const hint = metadata.keyValues.find(({ key }) => key === ARROW_SCHEMA)?.value;
  const plain = hint === undefined ? undefined : plainHint(hint, { root: metadata.root, keep });
  const keyValues = plain === undefined ? [] : [keyValue(ARROW_SCHEMA, plain)];
  return { schema, keyValues };
}

function element(
  footer: Uint8Array,
  { node, children }: { readonly node: SchemaNode; readonly children: number },
): Uint8Array {
  const raw = footer.slice(node.raw.start, node.raw.end);
  if (node.physical === "INT96") {
    const set = {
      1: { type: "i32", value: FIXED_LEN_BYTE_ARRAY },
      2: { type: "i32", value: INT96_BYTES },
    } as const;
    return editStruct(raw, { set, drop: new Set([6, 7, 8, 10]) });
  }
  if (children === node.children.length) return raw;
  return editStruct(raw, { set: { 5: { type: "i32", value: children } }, drop: new Set() });
}

function keyValue(key: string, value: string): Uint8Array {
  return new ThriftWriter().binary(1, Buffer.from(key)).binary(2, Buffer.from(value)).end();
}
