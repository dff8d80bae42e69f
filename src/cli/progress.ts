import { oneLine } from "./exit.ts";
import { formatBytes } from "./quantities.ts";
import type { Notes } from "./output.ts";

export interface Progress {
  /** Bytes that are done; `resumed` ones do not count towards the speed. */
  add(bytes: number, resumed: boolean): void;
  /** Leaves the line empty for what comes next. */
  end(): void;
}

export interface ProgressOptions {
  readonly notes: Notes;
  readonly quiet: boolean;
  readonly totalBytes: number;
  readonly what: string;
  readonly nowMs?: () => number;
}

/** Often enough to look alive, seldom enough to cost nothing. */
const REDRAW_MS = 200;
const CLEAR_LINE = "\r\u001b[K";

/** One line that is drawn anew, only where stderr is a terminal and nobody asked for quiet. */
export function createProgress({ notes, quiet, totalBytes, what, nowMs = Date.now }: ProgressOptions): Progress {
  if (!notes.isTerminal || quiet) return { add: () => undefined, end: () => undefined };
  const label = oneLine(what);
  const startMs = nowMs();
  let done = 0;
  let fetched = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    add: (bytes, resumed) => {
      done += bytes;
      if (!resumed) fetched += bytes;
      const now = nowMs();
      if (now - drawnMs < REDRAW_MS) return;
      drawnMs = now;
      const speed = formatBytes((fetched * 1000) / Math.max(1, now - startMs));
      const percent = totalBytes === 0 ? 100 : Math.floor((done * 100) / totalBytes);
      notes.write(`${CLEAR_LINE}${label}: ${percent} % of ${formatBytes(totalBytes)}, ${speed}/s`);
    },
    end: () => notes.write(CLEAR_LINE),
  };
}
