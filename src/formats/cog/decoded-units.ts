import type { Piece } from "./pieces.ts";
import type { UnitForm } from "./unit-decode.ts";

interface DecodedUnit {
  readonly form: UnitForm;
  readonly pixels: Uint8Array;
}

/** Decoded units of one row of units, while its strips are made one after the other: none is decoded for each strip anew. */
export class DecodedUnits {
  readonly #maxBytes: number;
  readonly #units = new Map<string, DecodedUnit>();
  #unitRow = -1;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Forgets the units of other rows. */
  enter(unitRow: number): void {
    if (unitRow === this.#unitRow) return;
    this.#unitRow = unitRow;
    this.#units.clear();
    this.#bytes = 0;
  }

  get({ form, range }: Piece): Uint8Array | undefined {
    const unit = this.#units.get(`${range?.start} ${range?.end}`);
    return unit?.form === form ? unit.pixels : undefined;
  }

  /** Holds on to a unit where there is room for it. */
  keep({ form, range }: Piece, pixels: Uint8Array): void {
    const key = `${range?.start} ${range?.end}`;
    if (this.#units.has(key) || this.#bytes + pixels.length > this.#maxBytes) return;
    this.#units.set(key, { form, pixels });
    this.#bytes += pixels.length;
  }
}
