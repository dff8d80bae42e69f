import { latin1, validUtf8 } from "./binary.ts";

/** What detection looks at: the first and last bytes of a file, which may overlap; an end that was not read is empty. */
export interface Probe {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  readonly size: number;
}

export function startsWith(bytes: Uint8Array, magic: string, at = 0): boolean {
  return bytes.length >= at + magic.length && latin1(bytes, at, at + magic.length) === magic;
}

export function endsWith(bytes: Uint8Array, magic: string): boolean {
  return bytes.length >= magic.length && startsWith(bytes, magic, bytes.length - magic.length);
}

/** At 0, or after a user block of 512 bytes or a power of two more (HDF5 file format 3.0, II.A). */
export function isHdf5({ head }: Probe): boolean {
  if (startsWith(head, "\x89HDF\r\n\x1a\n")) return true;
  for (let at = 512; at < head.length; at *= 2) if (startsWith(head, "\x89HDF\r\n\x1a\n", at)) return true;
  return false;
}

/**
 * No magic, but a length of 64 bits and then a JSON object. One that is absurdly long is still a (broken) file of this
 * format; its two highest bytes are zero all the same, which no text has.
 */
export function isSafetensors({ head }: Probe): boolean {
  if (head.length < 10 || head[6] !== 0 || head[7] !== 0) return false;
  return /^\{["}\s]$/.test(latin1(head, 8, 10));
}

/** GRIB is sent with bulletin headings before it; the length and edition behind the letters must fit then. */
const MAX_GRIB_HEADING_BYTES = 512;

/** Where the first message begins, or -1 (WMO Manual on Codes, FM 92). Edition 1 is told from 2 by its reader. */
export function gribStart(head: Uint8Array): number {
  const text = latin1(head, 0, MAX_GRIB_HEADING_BYTES);
  for (let at = text.indexOf("GRIB"); at >= 0; at = text.indexOf("GRIB", at + 1)) {
    if (head[at + 7] === 1 || head[at + 7] === 2) return at;
  }
  return -1;
}

const ZARR_DOCUMENTS = new Set(["zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"]);

/** Whether a path is one of the documents that make a directory a Zarr store (Zarr specifications 2 and 3). */
export function isZarrDocument(path: string): boolean {
  return ZARR_DOCUMENTS.has(path.slice(path.lastIndexOf("/") + 1));
}

/** UTF-8 without NUL, as far as was read; a character may be cut at the end of what was. */
export function isText({ head, size }: Probe): boolean {
  if (head.length === 0 || head.includes(0)) return false;
  const isWhole = head.length === size;
  const cuts = isWhole ? [0] : [0, 1, 2, 3];
  return cuts.some((cut) => validUtf8(head.subarray(0, head.length - cut)) !== undefined);
}

/** Text of which the first line that holds anything is a JSON object or array, as far as it was read. */
export function isJsonLines(probe: Probe): boolean {
  if (!isText(probe)) return false;
  const text = new TextDecoder().decode(probe.head).trimStart();
  if (!/^[{[]/.test(text)) return false;
  const end = text.indexOf("\n");
  // A first line longer than what was read can only be believed.
  if (end < 0 && probe.head.length < probe.size) return true;
  try {
    JSON.parse(end < 0 ? text : text.slice(0, end));
    return true;
  } catch {
    return false;
  }
}
