import type { Descriptor } from "../oci/descriptor.ts";
import { bareMediaType } from "../oci/media-type.ts";
import { BLOCK_BYTES, hasTarMagic, isZeroBlock, parseHeader } from "./tar/header.ts";

export type ArchiveKind = "tar" | "gzip" | "zstd" | "zip";

/** Bytes from the beginning that tell the kind. */
export const KIND_BYTES = 512;

const MAGICS: readonly (readonly [ArchiveKind, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["zip", [0x50, 0x4b, 0x05, 0x06]],
];

/**
 * What kind of archive a layer is, by its first bytes; undefined for what is none. A layer of zeros, and one whose first
 * header is damaged, is an archive only where its media type says so.
 */
export function archiveKind(start: Uint8Array, layer: Descriptor): ArchiveKind | undefined {
  const known = MAGICS.find(([, magic]) => magic.every((byte, at) => start[at] === byte));
  if (known !== undefined) return known[0];
  if (start.length < BLOCK_BYTES) return undefined;
  const block = start.subarray(0, BLOCK_BYTES);
  if (hasTarMagic(block) || isTarType(layer.mediaType)) return "tar";
  return !isZeroBlock(block) && parseHeader(block) !== undefined ? "tar" : undefined;
}

function isTarType(mediaType: string): boolean {
  return /(?:^application\/(?:x-)?|[.+])tar$/.test(bareMediaType(mediaType));
}
