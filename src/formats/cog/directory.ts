import { RiffleError } from "../../errors.ts";
import { HEAD_BYTES } from "../first-bytes.ts";
import { numbersOf, typeWidth, uint64, type Field, type Layout } from "./field.ts";
import { parseGhost, type Ghost } from "./ghost.ts";
import type { IndexBytes } from "./index-bytes.ts";

/** An image file directory: entries by tag, the first of each. */
export interface Directory {
  readonly at: number;
  readonly fields: ReadonlyMap<number, Field>;
}

/** The main chain of a file. */
export interface Directories {
  readonly layout: Layout;
  readonly ghost: Ghost | undefined;
  readonly chain: readonly Directory[];
  /** Why the chain ends where it does, when that is not its proper end. */
  readonly broken: string | undefined;
}

/** More than any writer makes; a COG has about ten. */
const MAX_DIRECTORIES = 4096;
const MAX_ENTRIES = 4096;
/** Of any directory that a COG has, without its tables. */
const DIRECTORY_BYTES = 1024;
/** How much of the index is read along, at most, where the file says that all of it lies together. */
const MAX_AHEAD_BYTES = 128 * 1024;

/**
 * Walks the chain. Throws `malformed` when there is no first directory; a later one that is damaged, or met before, ends
 * the chain (as it does for libtiff), and `broken` says so.
 */
export async function readDirectories(index: IndexBytes): Promise<Directories> {
  const head = await index.read(
    { start: 0, end: Math.min(16, index.source.size) },
    { what: "the TIFF header", ahead: HEAD_BYTES },
  );
  const { layout, first } = parseHeader(head);
  const ghost = parseGhost(
    index.view({ start: layout.big ? 16 : 8, end: Math.min(HEAD_BYTES, index.source.size) }) ?? head,
  );
  const chain: Directory[] = [];
  const seen = new Set<number>();
  let broken: string | undefined;
  for (let at = first, ahead = HEAD_BYTES; at !== 0;) {
    if (seen.has(at)) broken = "its directories form a cycle";
    else if (chain.length >= MAX_DIRECTORIES) broken = `it has more than ${MAX_DIRECTORIES} directories`;
    if (broken !== undefined) break;
    seen.add(at);
    const held = index.held;
    try {
      if (ghost?.indexFirst === true) await fillUp(index, { at, ahead });
      const { directory, next } = await readDirectory(index, { at, layout, ahead });
      chain.push(directory);
      at = next;
    } catch (error) {
      if (chain.length === 0 || !(error instanceof RiffleError) || error.code !== "malformed") throw error;
      broken = error.message;
      break;
    }
    if (index.held > held && ghost?.indexFirst === true) ahead = Math.min(MAX_AHEAD_BYTES, ahead * 2);
  }
  if (chain.length === 0) throw new RiffleError("malformed", "the TIFF has no image directory");
  return { layout, ghost, chain, broken };
}

/**
 * Where all of the index lies together, what lies before the next directory are the last one's tables of tiles: they come
 * with it, in the same request.
 */
async function fillUp(index: IndexBytes, next: { readonly at: number; readonly ahead: number }): Promise<void> {
  const { at, ahead } = next;
  const from = index.heldFrom(0);
  if (at < from || at - from > MAX_AHEAD_BYTES) return;
  if (index.heldFrom(at) < at + DIRECTORY_BYTES) await index.load([{ start: from, end: at + ahead }]);
}

function parseHeader(head: Uint8Array): { readonly layout: Layout; readonly first: number } {
  const bad = (): RiffleError => new RiffleError("malformed", "the file does not begin with a TIFF header");
  const order = Buffer.from(head.subarray(0, 2)).toString("latin1");
  if (head.length < 8 || (order !== "II" && order !== "MM")) throw bad();
  const littleEndian = order === "II";
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const magic = view.getUint16(2, littleEndian);
  if (magic === 42) return { layout: { littleEndian, big: false }, first: view.getUint32(4, littleEndian) };
  const isBig = magic === 43 && head.length >= 16 && view.getUint16(4, littleEndian) === 8;
  if (!isBig) throw bad();
  return { layout: { littleEndian, big: true }, first: uint64(view, { at: 8, littleEndian }) };
}

interface DirectoryPlace {
  readonly at: number;
  readonly layout: Layout;
  readonly ahead: number;
}

/** One directory, wherever it hangs. Throws `malformed` when it is not whole. */
export async function readDirectory(
  index: IndexBytes,
  place: DirectoryPlace,
): Promise<{ readonly directory: Directory; readonly next: number }> {
  const { at, ahead } = place;
  const { littleEndian, big } = place.layout;
  const [countBytes, entryBytes, linkBytes] = big ? [8, 20, 8] : [2, 12, 4];
  const what = `the TIFF directory at ${at}`;
  const counted = await index.read({ start: at, end: at + countBytes }, { what, ahead });
  const countView = new DataView(counted.buffer, counted.byteOffset, counted.byteLength);
  const count = big ? uint64(countView, { at: 0, littleEndian }) : countView.getUint16(0, littleEndian);
  if (count === 0 || count > MAX_ENTRIES) {
    throw new RiffleError("malformed", `${what} claims ${count} entries`);
  }
  const start = at + countBytes;
  const entries = await index.read({ start, end: start + count * entryBytes }, { what, ahead });
  const fields = new Map<number, Field>();
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
  for (let i = 0; i < count; i += 1) {
    const field = parseEntry(view, { at: i * entryBytes, base: start, layout: place.layout });
    if (field !== undefined && !fields.has(field.tag)) fields.set(field.tag, field);
  }
  const link = { start: start + count * entryBytes, end: start + count * entryBytes + linkBytes };
  await index.load([link], ahead);
  return { directory: { at, fields }, next: nextOf(index.view(link), place.layout) };
}

/** A link that the file is too short for ends the chain. */
function nextOf(bytes: Uint8Array | undefined, { littleEndian, big }: Layout): number {
  if (bytes === undefined) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return big ? uint64(view, { at: 0, littleEndian }) : view.getUint32(0, littleEndian);
}

function parseEntry(
  view: DataView,
  entry: { readonly at: number; readonly base: number; readonly layout: Layout },
): Field | undefined {
  const { at, base } = entry;
  const { littleEndian, big } = entry.layout;
  const type = view.getUint16(at + 2, littleEndian);
  const width = typeWidth(type);
  // a type of the future says nothing of its length: TIFF 6.0 asks to skip it
  if (width === undefined) return undefined;
  const count = big ? uint64(view, { at: at + 4, littleEndian }) : view.getUint32(at + 4, littleEndian);
  const bytes = count * width;
  const inline = at + (big ? 12 : 8);
  const place = (): number => (big ? uint64(view, { at: inline, littleEndian }) : view.getUint32(inline, littleEndian));
  const isInline = bytes <= (big ? 8 : 4);
  return { tag: view.getUint16(at, littleEndian), type, count, at: isInline ? base + inline : place(), bytes };
}

/** A slice of a field's values. Throws `malformed` when it lies behind the file's end or holds no numbers. */
export async function fieldNumbers(
  index: IndexBytes,
  options: { readonly field: Field; readonly layout: Layout; readonly from?: number; readonly to?: number },
): Promise<Float64Array> {
  const { field, layout, from = 0, to = field.count } = options;
  const width = typeWidth(field.type) ?? 1;
  const range = { start: field.at + from * width, end: field.at + to * width };
  const bytes = await index.read(range, { what: `TIFF tag ${field.tag}` });
  return numbersOf(bytes, { type: field.type, layout });
}
