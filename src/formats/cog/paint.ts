import type { Piece, Target } from "./pieces.ts";
import { sourceColumn, sourceRow, type View } from "./view.ts";

/** The result's samples of some rows: one buffer for each band asked for, and for the mask. */
export interface Canvas {
  readonly view: View;
  /** The first row, and one after the last. */
  readonly from: number;
  readonly to: number;
  readonly bands: readonly Uint8Array[];
  readonly mask: Uint8Array | undefined;
}

type Words = Uint8Array | Uint16Array | Uint32Array;

/** Puts a decoded piece where it is seen. */
export function paint(canvas: Canvas, options: { readonly piece: Piece; readonly pixels: Uint8Array }): void {
  const { piece, pixels } = options;
  for (const target of piece.targets) {
    if (typeof target.band === "number") {
      const into = canvas.bands[target.band];
      if (into !== undefined) copy(canvas, { piece, pixels, target, into });
    } else if (canvas.mask !== undefined) {
      copyMask(canvas, { piece, pixels, target, into: canvas.mask });
    }
  }
}

interface Copying {
  readonly piece: Piece;
  readonly pixels: Uint8Array;
  readonly target: Target;
  readonly into: Uint8Array;
}

function copy(canvas: Canvas, { piece, pixels, target, into }: Copying): void {
  const { bytes } = piece.form.type;
  const words = bytes <= 4 ? 1 : bytes / 4;
  const source = wordsOver(pixels, bytes);
  const result = wordsOver(into, bytes);
  const step = piece.form.samples * words;
  const columns = columnsOf(canvas.view, piece);
  eachRow(canvas, piece, (from, to) => {
    const base = from * step + target.sample * words;
    if (canvas.view.exact && step === 1) {
      const start = from + (columns[0] ?? 0);
      result.set(source.subarray(start, start + columns.length), to + piece.columnFrom);
      return;
    }
    let put = (to + piece.columnFrom) * words;
    for (let i = 0; i < columns.length; i += 1, put += words) {
      const at = base + (columns[i] ?? 0) * step;
      result[put] = source[at] ?? 0;
      for (let word = 1; word < words; word += 1) result[put + word] = source[at + word] ?? 0;
    }
  });
}

/** Masks of one bit are 0 or 255; a 16-bit alpha is scaled as GDAL scales it, so that only 0 becomes 0. */
function copyMask(canvas: Canvas, { piece, pixels, target, into }: Copying): void {
  const { bytes, bits } = piece.form.type;
  const source = wordsOver(pixels, bytes);
  const columns = columnsOf(canvas.view, piece);
  const valueOf = (value: number): number => {
    if (bits === 1) return value * 255;
    return bytes === 1 ? value : value === 0 ? 0 : Math.max(1, Math.floor((value * 255) / 65_535));
  };
  eachRow(canvas, piece, (from, to) => {
    for (let i = 0; i < columns.length; i += 1) {
      const at = (from + (columns[i] ?? 0)) * piece.form.samples + target.sample;
      into[to + piece.columnFrom + i] = valueOf(source[at] ?? 0);
    }
  });
}

/** The piece's columns that are shown, one for each column of the result. */
function columnsOf(view: View, piece: Piece): Uint32Array {
  const columns = new Uint32Array(piece.columnTo - piece.columnFrom);
  for (let i = 0; i < columns.length; i += 1) columns[i] = sourceColumn(view, piece.columnFrom + i) - piece.x;
  return columns;
}

/** For each row of the canvas that the piece has: the first pixel of that row in the piece, and in the canvas. */
function eachRow(canvas: Canvas, piece: Piece, use: (from: number, to: number) => void): void {
  const { view } = canvas;
  for (let row = canvas.from; row < canvas.to; row += 1) {
    const own = sourceRow(view, row) - piece.y - piece.firstRow;
    if (own >= 0 && own < piece.rows) use(own * piece.form.image.unitWidth, (row - canvas.from) * view.width);
  }
}

function wordsOver(bytes: Uint8Array, width: number): Words {
  if (width === 1) return bytes;
  if (width === 2) return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}
