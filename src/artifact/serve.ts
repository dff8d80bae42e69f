import { clip, type ByteRange } from "../bytes/range.ts";
import { isRiffleError, RiffleError } from "../errors.ts";
import { pathOf } from "../layers/tree-paths.ts";
import type { SourceInfo } from "../layers/sources.ts";
import { ROW_LIVE, type Row, type TreeTable } from "../layers/tree.ts";
import type { Accounting } from "./accounting.ts";
import type { Content } from "./content.ts";
import type { Contents } from "./contents.ts";
import type { Log } from "./engine.ts";
import type { ErrorList } from "./error-list.ts";
import type { LiveFiles } from "./live-files.ts";
import type { OpenAs, OpenGrant, ReadFrom, Served } from "./served.ts";
import type { WarmHandle } from "../cache/cache.ts";
import type { Trace } from "../fetch/trace.ts";
import { tracedRead, type Missed } from "./traced-read.ts";

export interface ServeParts {
  readonly tree: TreeTable;
  readonly sources: readonly SourceInfo[];
  readonly slots: SharedArrayBuffer;
  readonly warm: WarmHandle | undefined;
  readonly contents: Contents;
  readonly live: LiveFiles;
  readonly accounting: Accounting;
  readonly errors: ErrorList;
  /** Told of each read that failed. */
  readonly log: Log;
  /** Then every read must pass here: no warm handle, and no open that lets the kernel keep or read pages itself. */
  readonly trace?: Trace;
}

interface TracedFrom extends ReadFrom {
  readonly missed?: Missed;
}

const encoder = new TextEncoder();

/** The read path's front: which source a row's bytes lie in, the counts, and the reasons of what fails. */
export function serve(parts: ServeParts): Served {
  const { tree, sources, contents, live, accounting, errors, log, trace } = parts;
  const opened = new Map<number, Content>();
  const sourceOf = (row: Row): SourceInfo => {
    const source = sources[tree.source(row)];
    if (source === undefined) throw new RiffleError("internal", `row ${row} has no source`);
    return source;
  };
  const failed = (row: Row, error: unknown, { handle }: ReadFrom): void => {
    if (isRiffleError(error) && error.code === "aborted") return;
    accounting.error();
    const path = pathOf(tree, row);
    errors.add(path, error);
    // A program behind a mount sees an errno alone; who reads by the library is told by the error.
    const level = handle > 0 ? "warn" : "info";
    log(level, `read of ${path} failed: ${error instanceof Error ? error.message : String(error)}`);
  };

  /** Units are looked for in files that are a whole blob. */
  const nameWhole = (content: Content, row: Row): void => {
    const { size } = content.descriptor;
    if (content.wantsName && tree.offset(row) === 0 && tree.size(row) === size)
      content.named(Buffer.from(tree.name(row)).toString());
  };

  const open = (row: Row, handle: number, { isPlanned = false }: OpenAs = {}): OpenGrant => {
    const source = sourceOf(row);
    if (source.kind === "live") {
      live.open(source.name, handle);
      return { kind: "direct" };
    }
    if (source.kind === "inline") return { kind: trace === undefined ? "keep" : "direct" };
    const content = contents.acquire(tree.source(row));
    opened.set(handle, content);
    if (!isPlanned) nameWhole(content, row);
    if (content.proof !== "full" || trace !== undefined) return { kind: "direct" };
    const isWhole = tree.offset(row) === 0 && tree.size(row) === source.descriptor.size;
    const fd = isWhole ? content.provenFile : undefined;
    return fd === undefined ? { kind: "keep" } : { kind: "backed", fd };
  };

  const readBlob = async (row: Row, range: ByteRange, from: TracedFrom): Promise<Uint8Array> => {
    const content = contents.acquire(tree.source(row));
    try {
      const base = tree.offset(row);
      if (from.isPlanned !== true) nameWhole(content, row);
      const { bytes, outcome } = await content.read({ start: base + range.start, end: base + range.end }, from);
      accounting.read(outcome);
      from.missed?.(bytes.length - outcome.fromCache);
      return bytes;
    } catch (error) {
      failed(row, error, from);
      throw error;
    } finally {
      contents.release(content);
    }
  };

  /** Bytes that never change. */
  const readStill = async (row: Row, range: ByteRange, from: TracedFrom): Promise<Uint8Array> => {
    const source = sourceOf(row);
    if (source.kind !== "inline") return readBlob(row, range, from);
    const base = tree.offset(row);
    const bytes = source.bytes.slice(base + range.start, base + range.end);
    accounting.read({ bytes: bytes.length, fromCache: bytes.length, proven: bytes.length });
    return bytes;
  };

  const read = async (row: Row, range: ByteRange, from: ReadFrom): Promise<Uint8Array> => {
    const source = sourceOf(row);
    if (source.kind === "live") {
      const bytes = live.opened(source.name, from.handle);
      const { start, end } = clip(range, bytes.length);
      return bytes.slice(start, end);
    }
    const wanted = clip(range, tree.size(row));
    if (trace === undefined) return readStill(row, wanted, from);
    return tracedRead(trace, { path: pathOf(tree, row), range: wanted, handle: from.handle }, (id, missed) =>
      readStill(row, wanted, { ...from, id, missed }),
    );
  };

  const liveXattr = (row: Row, name: string): Uint8Array | undefined => {
    if ((tree.flags(row) & ROW_LIVE) !== 0) return undefined;
    const source = sources[tree.source(row)];
    if (source?.kind !== "blob") return undefined;
    const content = contents.acquire(tree.source(row));
    try {
      if (name === "user.oci.verified") return encoder.encode(content.proof);
      if (name === "user.oci.cached") return encoder.encode(String(content.heldBytes));
      return undefined;
    } finally {
      contents.release(content);
    }
  };

  return {
    tree,
    slots: parts.slots,
    warm: trace === undefined ? parts.warm : undefined,
    open,
    read,
    touched: (row, range, handle) => {
      const base = tree.offset(row);
      contents.peek(tree.source(row))?.touched({ start: base + range.start, end: base + range.end }, handle);
    },
    release: (_row, handle) => {
      live.release(handle);
      const content = opened.get(handle);
      opened.delete(handle);
      content?.closed(handle);
      if (content !== undefined) contents.release(content);
    },
    liveXattr,
    liveSize: (row) => {
      const source = sourceOf(row);
      return source.kind === "live" ? live.now(source.name).length : tree.size(row);
    },
  };
}
