import type { Header } from "pmtiles";
import type { RangeSource } from "../../bytes/source.ts";
import { extentTable, type Extent, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import { COMPRESSIONS, decompressed, openArchive, TILE_TYPES, type Archive } from "./archive.ts";

/** Descriptions of the layers of vector tiles can be long; nothing sound is longer than this. */
const MAX_METADATA_BYTES = 16 * 1024 * 1024;
const SHOWN_LAYERS = 100;
/** Series of extents: tiles follow tiles, leaves follow leaves. */
const TILES = 0;
const LEAVES = 1;

type Metadata = { readonly [name: string]: unknown };

/** The archive's JSON; undefined, with the reason, where it is not an object. It is described, not depended on. */
async function readMetadata({ header, pieces }: Archive): Promise<Metadata | string> {
  const start = header.jsonMetadataOffset;
  if (header.jsonMetadataLength === 0) return {};
  if (header.jsonMetadataLength > MAX_METADATA_BYTES) return "its metadata are too long to be shown";
  const compression: number = header.internalCompression;
  const bytes = await pieces.read({ start, end: start + header.jsonMetadataLength });
  try {
    const text = new TextDecoder().decode(await decompressed(bytes, { compression, limit: MAX_METADATA_BYTES }));
    const document: unknown = JSON.parse(text);
    // Checked: an object of unknown values.
    if (typeof document === "object" && document !== null && !Array.isArray(document)) return document as Metadata;
  } catch {
    // Said below.
  }
  return "its metadata cannot be read";
}

function textFacts(metadata: Metadata): Record<string, Fact> {
  const shown = ["name", "description", "attribution", "type", "version", "generator"];
  const entries = shown.flatMap((key) => {
    const value = metadata[key];
    return typeof value === "string" && value !== "" ? [[key, value] as const] : [];
  });
  const layers = metadata["vector_layers"];
  const ids = (Array.isArray(layers) ? (layers as readonly unknown[]) : []).flatMap((layer) =>
    typeof layer === "object" && layer !== null && "id" in layer && typeof layer.id === "string" ? [layer.id] : [],
  );
  return { ...Object.fromEntries(entries), ...(ids.length > 0 && { layers: ids.slice(0, SHOWN_LAYERS) }) };
}

function headerFacts(header: Header): Record<string, Fact> {
  const [tileType, tileCompression, internal]: readonly number[] = [
    header.tileType,
    header.tileCompression,
    header.internalCompression,
  ];
  return {
    version: header.specVersion,
    tileType: TILE_TYPES[tileType ?? 0] ?? `number ${tileType}`,
    tileCompression: COMPRESSIONS[tileCompression ?? 0] ?? `number ${tileCompression}`,
    internalCompression: COMPRESSIONS[internal ?? 0] ?? `number ${internal}`,
    clustered: header.clustered,
    zoom: [header.minZoom, header.maxZoom],
    bounds: [header.minLon, header.minLat, header.maxLon, header.maxLat],
    center: [header.centerLon, header.centerLat, header.centerZoom],
    tiles: header.numAddressedTiles,
    tileEntries: header.numTileEntries,
    tileContents: header.numTileContents,
    tileBytes: header.tileDataLength ?? 0,
  };
}

/** One request, or two where the metadata do not lie in the first 16 KiB. */
export async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const archive = await openArchive(source, options);
  const metadata = await readMetadata(archive);
  const leaves = archive.root.filter(({ runLength }) => runLength === 0).length;
  return {
    format: "pmtiles",
    title: "PMTiles",
    facts: {
      ...headerFacts(archive.header),
      rootEntries: archive.root.length,
      leafDirectories: leaves,
      ...(typeof metadata === "string" ? {} : { metadata: textFacts(metadata) }),
    },
    notes: [
      ...(archive.header.clustered ? [] : ["not clustered: neighbouring tiles do not lie beside each other"]),
      ...(typeof metadata === "string" ? [metadata] : []),
    ],
  };
}

/** What the root directory knows: the leaf directories, and tiles where there are no leaves. One request. */
export async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  const { header, root } = await openArchive(source, options);
  const rootStart = header.rootDirectoryOffset;
  const units: Extent[] = [{ start: rootStart, end: rootStart + header.rootDirectoryLength, series: -1 }];
  for (const { offset, length, runLength } of root) {
    const start = offset + (runLength === 0 ? header.leafDirectoryOffset : header.tileDataOffset);
    units.push({ start, end: start + length, series: runLength === 0 ? LEAVES : TILES });
  }
  return extentTable(units, source.size);
}
