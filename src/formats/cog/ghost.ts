/** What GDAL's COG driver says of a file's layout, right behind the header (GDAL, "COG driver", "Header ghost area"). */
export interface Ghost {
  readonly values: { readonly [key: string]: string };
  /** Four bytes with its size stand before each tile, and nobody has edited the file since. */
  readonly leaders: boolean;
  /** Tiles also stand in the file as their numbers go, with nothing but leaders and trailers of four bytes between them. */
  readonly packed: boolean;
  /** All directories stand before the first tile. */
  readonly indexFirst: boolean;
}

const START = "GDAL_STRUCTURAL_METADATA_SIZE=";

/** `head` begins behind the file's header; undefined when there is no ghost area, or not all of it. */
export function parseGhost(head: Uint8Array): Ghost | undefined {
  const first = Buffer.from(head.subarray(0, 43)).toString("latin1");
  const size = Number(/^GDAL_STRUCTURAL_METADATA_SIZE=(\d{6}) bytes\n/.exec(first)?.[1] ?? "NaN");
  if (!first.startsWith(START) || !(size <= head.length - 43)) return undefined;
  const text = Buffer.from(head.subarray(43, 43 + size)).toString("latin1");
  const values = Object.fromEntries(
    [...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, key = "", value = ""]) => [key, value]),
  );
  const edited = values["KNOWN_INCOMPATIBLE_EDITION"] !== "NO";
  return {
    values,
    leaders: !edited && values["BLOCK_LEADER"] === "SIZE_AS_UINT4",
    packed:
      !edited &&
      values["BLOCK_LEADER"] === "SIZE_AS_UINT4" &&
      values["BLOCK_TRAILER"] === "LAST_4_BYTES_REPEATED" &&
      values["BLOCK_ORDER"] === "ROW_MAJOR" &&
      values["MASK_INTERLEAVED_WITH_IMAGERY"] !== "YES",
    indexFirst: !edited && values["LAYOUT"] === "IFDS_BEFORE_DATA",
  };
}
