import { latin1, viewOf } from "../binary.ts";
import { startsWith, type Probe } from "../magic.ts";

/** APPNOTE.TXT 4.3.7, 4.3.12, 4.3.15 and 4.3.16. */
const LOCAL_HEADER = "PK\x03\x04";
const LOCAL_HEADER_BYTES = 30;
const DIRECTORY_ENTRY = "PK\x01\x02";
const DIRECTORY_ENTRY_BYTES = 46;
const LOCATOR_64 = "PK\x06\x07";
const LOCATOR_64_BYTES = 20;
const END_RECORD = "PK\x05\x06";
const END_RECORD_BYTES = 22;
/** Sizes follow the data: the next header cannot be told from here. */
const FLAG_DESCRIPTOR = 8;

/** Enough to tell a kind by. */
const MAX_NAMES = 4096;

/** In the tail: the end record, and where the directory begins (in the tail, or at 0 where it began before). */
interface FoundEnd {
  readonly directory: number;
  /** Whether all of the directory is in the tail. */
  readonly isWhole: boolean;
}

/** An end record whose numbers fit the file: four equal bytes alone would turn up by chance in one file of 65,000. */
function findEnd({ tail, size }: Probe): FoundEnd | undefined {
  const text = latin1(tail);
  const view = viewOf(tail);
  let at = text.lastIndexOf(END_RECORD);
  for (; at >= 0; at = at === 0 ? -1 : text.lastIndexOf(END_RECORD, at - 1)) {
    if (at + END_RECORD_BYTES > tail.length) continue;
    const directoryBytes = view.getUint32(at + 12, true);
    // The zip64 record in front of the locator has the numbers then; where it begins is not needed to tell a zip.
    if (at >= LOCATOR_64_BYTES && startsWith(tail, LOCATOR_64, at - LOCATOR_64_BYTES))
      return { directory: 0, isWhole: false };
    if (directoryBytes + view.getUint32(at + 16, true) > size - tail.length + at) continue;
    const directory = at - directoryBytes;
    if (directory < 0) return { directory: 0, isWhole: false };
    if (directoryBytes === 0 || startsWith(tail, "PK", directory)) return { directory, isWhole: true };
  }
  return undefined;
}

export function isZip(probe: Probe): boolean {
  return startsWith(probe.head, LOCAL_HEADER) || startsWith(probe.head, END_RECORD) || findEnd(probe) !== undefined;
}

/** Whether members may be there whose names `zipNames` does not know: the directory is longer than what was read. */
export function hidesNames(probe: Probe): boolean {
  return isZip(probe) && findEnd(probe)?.isWhole !== true;
}

/** Names in the part of the directory that was read, from its beginning or from its first whole entry. */
function directoryNames(tail: Uint8Array, directory: number): readonly string[] {
  const text = latin1(tail);
  const names: string[] = [];
  let at = text.indexOf(DIRECTORY_ENTRY, directory);
  for (; at >= 0 && names.length < MAX_NAMES; at = text.indexOf(DIRECTORY_ENTRY, at + 1)) {
    const start = at + DIRECTORY_ENTRY_BYTES;
    if (start > text.length) break;
    names.push(text.slice(start, start + viewOf(tail).getUint16(at + 28, true)));
  }
  return names;
}

/** Names in local headers from the beginning of the file on, each found by the sizes in the one before. */
function localNames(head: Uint8Array): readonly string[] {
  const view = viewOf(head);
  const names: string[] = [];
  let at = 0;
  while (names.length < MAX_NAMES && at + LOCAL_HEADER_BYTES <= head.length && startsWith(head, LOCAL_HEADER, at)) {
    const start = at + LOCAL_HEADER_BYTES;
    const end = start + view.getUint16(at + 26, true);
    names.push(latin1(head, start, end));
    if ((view.getUint16(at + 6, true) & FLAG_DESCRIPTOR) !== 0) break;
    at = end + view.getUint16(at + 28, true) + view.getUint32(at + 18, true);
  }
  return names;
}

/** Names of members that are no directories, as far as they are in the bytes read. */
export function zipNames(probe: Probe): readonly string[] {
  const end = findEnd(probe);
  const listed = end === undefined ? [] : directoryNames(probe.tail, end.directory);
  const names = end?.isWhole === true ? listed : [...localNames(probe.head), ...listed];
  return names.filter((name) => !name.endsWith("/"));
}
