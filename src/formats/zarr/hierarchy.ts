import type { ReadOptions } from "../../bytes/source.ts";
import { isRiffleError, RiffleError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../../oci/parse-json.ts";
import { arrayOfV2, arrayOfV3, parseMetadata, type ZarrArray } from "./metadata.ts";
import type { ZarrStore } from "./store.ts";

export interface ZarrNode {
  /** Without a slash at either end; `""` for the root. */
  readonly path: string;
  /** Or why it cannot be read. */
  readonly array: ZarrArray | (() => RiffleError);
}

export interface Hierarchy {
  /** Sorted by path. */
  readonly nodes: readonly ZarrNode[];
  readonly isConsolidated: boolean;
  readonly groups: number;
  readonly attributes: JsonObject;
  readonly indexBytes: number;
}

/** More documents than this are a hierarchy for a catalogue, not for one reader. */
const MAX_DOCUMENTS = 20_000;
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

type Documents = ReadonlyMap<string, () => JsonObject>;

/**
 * All arrays of a hierarchy: from consolidated metadata in one read, else from the documents of all nodes in two. Where a
 * node has both, version 3 counts. A broken array is an error when it is read, or at once where it is the only one.
 */
export async function readHierarchy(store: ZarrStore, options: ReadOptions): Promise<Hierarchy> {
  const how = { priority: "metadata" as const, ...options };
  const first = ["zarr.json", ".zmetadata"].filter((key) => store.size(key) !== undefined);
  const heads = await readDocuments(store, { keys: first, how });
  const consolidated =
    consolidatedV3(heads.documents.get("zarr.json")) ?? consolidatedV2(heads.documents.get(".zmetadata"));
  const keys = store.keys.filter((key) => !first.includes(key) && /(^|\/)(zarr\.json|\.zarray|\.zattrs)$/.test(key));
  const rest =
    consolidated === undefined ? await readDocuments(store, { keys, how }) : { documents: consolidated, bytes: 0 };
  const documents: Documents = new Map([...heads.documents, ...storedOnly(rest.documents, store)]);
  const nodes = new Map<string, ZarrNode>();
  let groups = store.keys.filter((key) => /(^|\/)\.zgroup$/.test(key)).length;
  for (const [key, document] of documents) {
    const path = key.slice(0, Math.max(0, key.lastIndexOf("/")));
    if (key.endsWith("zarr.json")) {
      if (isGroup(document)) groups += 1;
      else nodes.set(path, { path, array: attempt(() => arrayOfV3(document())) });
    } else if (key.endsWith(".zarray") && !nodes.has(path)) {
      const attributes = documents.get(path === "" ? ".zattrs" : `${path}/.zattrs`);
      nodes.set(path, { path, array: attempt(() => arrayOfV2(document(), soundOr(attributes))) });
    }
  }
  const sorted = [...nodes.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const [only, another] = sorted;
  if (only !== undefined && another === undefined && typeof only.array === "function") throw only.array();
  const root = soundOr(documents.get("zarr.json"))["attributes"] ?? soundOr(documents.get(".zattrs"));
  return {
    nodes: sorted,
    isConsolidated: consolidated !== undefined,
    groups,
    attributes: isJsonObject(root) ? root : {},
    indexBytes: heads.bytes + rest.bytes,
  };
}

async function readDocuments(
  store: ZarrStore,
  { keys, how }: { readonly keys: readonly string[]; readonly how: ReadOptions },
): Promise<{ readonly documents: Documents; readonly bytes: number }> {
  const bytes = keys.reduce((sum, key) => sum + (store.size(key) ?? 0), 0);
  if (keys.length > MAX_DOCUMENTS || bytes > MAX_DOCUMENT_BYTES) {
    throw new RiffleError(
      "unsupported",
      `the Zarr hierarchy has ${keys.length} metadata documents of ${bytes} bytes: more than are read`,
    );
  }
  const found =
    keys.length === 0
      ? []
      : await store.read(
          keys.map((key) => ({ key })),
          how,
        );
  const documents = keys.map((key, i) => [key, () => parseMetadata(found[i] ?? new Uint8Array(), key)] as const);
  return { documents: new Map(documents), bytes };
}

/** Consolidated metadata may be of nodes that were never copied, or are gone: then nothing lies below their paths. */
function storedOnly(documents: Documents, { keys }: ZarrStore): Documents {
  const directories = new Set<string>();
  for (const key of keys) {
    for (
      let at = key.lastIndexOf("/");
      at > 0 && !directories.has(key.slice(0, at));
      at = key.lastIndexOf("/", at - 1)
    ) {
      directories.add(key.slice(0, at));
    }
  }
  return new Map(
    [...documents].filter(([key]) => !key.includes("/") || directories.has(key.slice(0, key.lastIndexOf("/")))),
  );
}

function consolidatedV3(root: (() => JsonObject) | undefined): Documents | undefined {
  const inline = soundOr(root)["consolidated_metadata"];
  const metadata = isJsonObject(inline) ? inline["metadata"] : undefined;
  if (!isJsonObject(metadata)) return undefined;
  return new Map(Object.entries(metadata).map(([path, json]) => [`${path}/zarr.json`, () => objectOf(json)]));
}

function consolidatedV2(document: (() => JsonObject) | undefined): Documents | undefined {
  const { metadata } = soundOr(document);
  return isJsonObject(metadata)
    ? new Map(Object.entries(metadata).map(([key, json]) => [key, () => objectOf(json)]))
    : undefined;
}

function objectOf(json: unknown): JsonObject {
  if (isJsonObject(json)) return json;
  throw new RiffleError("malformed", "a document of the consolidated Zarr metadata is not an object");
}

function isGroup(document: () => JsonObject): boolean {
  return soundOr(document)["node_type"] === "group";
}

function soundOr(document: (() => JsonObject) | undefined): JsonObject {
  try {
    return document?.() ?? {};
  } catch {
    return {};
  }
}

function attempt(parse: () => ZarrArray): ZarrArray | (() => RiffleError) {
  try {
    return parse();
  } catch (error) {
    if (isRiffleError(error)) return () => error;
    throw error;
  }
}
