import type { ListingProgress } from "../artifact/unpack-layers.ts";
import type { Notes } from "./output.ts";
import { formatCount } from "./quantities.ts";

/** Often enough to look alive, seldom enough to cost nothing. */
const REDRAW_MS = 200;
const CLEAR_LINE = "\r\u001b[K";

/** One line while archives are listed, only where stderr is a terminal and nobody asked for quiet. */
export function createListingProgress(options: {
  readonly notes: Notes;
  readonly quiet: boolean;
  readonly nowMs?: () => number;
}): { at(state: ListingProgress): void; end(): void } {
  const { notes, quiet, nowMs = Date.now } = options;
  let drawnMs: number | undefined;
  return {
    at: ({ layers, layersDone, bytes, bytesDone }) => {
      const now = nowMs();
      if (!notes.isTerminal || quiet || (drawnMs !== undefined && now - drawnMs < REDRAW_MS)) return;
      drawnMs = now;
      const percent = bytes === 0 ? 100 : Math.floor((bytesDone * 100) / bytes);
      notes.write(`${CLEAR_LINE}listing archives: ${layersDone} of ${formatCount(layers, "layer")}, ${percent} %`);
    },
    end: () => {
      if (drawnMs !== undefined) notes.write(CLEAR_LINE);
    },
  };
}
