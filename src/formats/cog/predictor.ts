import { RiffleError } from "../../errors.ts";

export interface PredictedRows {
  readonly predictor: number;
  /** Samples that lie together: neighbours of one band are so far apart. */
  readonly stride: number;
  readonly bits: number;
  readonly isFloat: boolean;
  readonly rowBytes: number;
  readonly littleEndian: boolean;
}

/**
 * Undoes predictor 2 (TIFF 6.0 section 14: differences of whole samples in the file's byte order) and 3 (Adobe's technical note
 * 3: differences of bytes, the most significant first whatever the file's order). In place where that is possible; after
 * predictor 3, samples are little-endian. Throws `unsupported`.
 */
export function unpredict(
  bytes: Uint8Array,
  rows: PredictedRows,
): { readonly bytes: Uint8Array; readonly littleEndian: boolean } {
  const { predictor, bits, littleEndian } = rows;
  if (predictor === 1) return { bytes, littleEndian };
  if (predictor === 2 && (bits === 8 || bits === 16 || bits === 32 || bits === 64)) {
    addUp(bytes, rows);
    return { bytes, littleEndian };
  }
  if (predictor === 3 && rows.isFloat && (bits === 16 || bits === 24 || bits === 32 || bits === 64)) {
    return { bytes: gather(bytes, rows), littleEndian: true };
  }
  throw new RiffleError("unsupported", `TIFF predictor ${predictor} on samples of ${bits} bits`, {
    facts: { predictor, bits },
  });
}

function addUp(bytes: Uint8Array, { stride, bits, rowBytes, littleEndian }: PredictedRows): void {
  const width = bits / 8;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let row = 0; row + rowBytes <= bytes.length; row += rowBytes) {
    const end = row + rowBytes;
    const step = stride * width;
    if (width === 1) {
      for (let at = row + step; at < end; at += 1) bytes[at] = (bytes[at] ?? 0) + (bytes[at - step] ?? 0);
    } else if (width === 2) {
      for (let at = row + step; at < end; at += 2) {
        view.setUint16(at, view.getUint16(at, littleEndian) + view.getUint16(at - step, littleEndian), littleEndian);
      }
    } else if (width === 4) {
      for (let at = row + step; at < end; at += 4) {
        view.setUint32(at, view.getUint32(at, littleEndian) + view.getUint32(at - step, littleEndian), littleEndian);
      }
    } else {
      for (let at = row + step; at < end; at += 8) {
        const sum = view.getBigUint64(at, littleEndian) + view.getBigUint64(at - step, littleEndian);
        view.setBigUint64(at, sum, littleEndian);
      }
    }
  }
}

/** A row holds all most significant bytes, then all next ones: they are brought together, least significant first. */
function gather(bytes: Uint8Array, { stride, bits, rowBytes }: PredictedRows): Uint8Array {
  const width = bits / 8;
  const count = rowBytes / width;
  const output = new Uint8Array(bytes.length);
  for (let row = 0; row + rowBytes <= bytes.length; row += rowBytes) {
    for (let at = row + stride; at < row + rowBytes; at += 1) bytes[at] = (bytes[at] ?? 0) + (bytes[at - stride] ?? 0);
    for (let plane = 0; plane < width; plane += 1) {
      const from = row + plane * count;
      const to = row + width - 1 - plane;
      for (let i = 0; i < count; i += 1) output[to + i * width] = bytes[from + i] ?? 0;
    }
  }
  return output;
}
