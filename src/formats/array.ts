import type { Fact, FormatName, FormatReader } from "./format.ts";

export interface ArrayInfo {
  /** Path or key in the file; `""` for a file that holds one array without a name. */
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * As NumPy's `dtype.str`: `<f4`, `|u1`, `<U5`, `|O` for strings of any length, `bytes` for byte strings of
   * any length (one character for each byte); `bfloat16` and the like by name.
   */
  readonly dtype: string;
  /** Units that are read as one, where there are any. */
  readonly chunks?: readonly number[];
  readonly attributes?: { readonly [name: string]: Fact };
}

export interface ArrayMetadata {
  readonly format: FormatName;
  readonly arrays: readonly ArrayInfo[];
}

/** One axis: an index takes the axis away; a range keeps it. Negative bounds are resolved by then; `step >= 1`. */
export type AxisSlice =
  | { readonly kind: "index"; readonly at: number }
  | { readonly kind: "range"; readonly start: number; readonly end: number; readonly step: number };

export interface ArrayQuery {
  /** Which array; may be left out where the file holds one. */
  readonly name?: string;
  /** As NumPy's basic slicing, `"0:10,:,5"`; missing axes are whole. */
  readonly slice?: string;
}

/** A run of the result in C order: whole rows of its first axis, unless one row alone is larger than a block may be. */
export interface ArrayBlock {
  /** Of the whole result. */
  readonly shape: readonly number[];
  readonly dtype: string;
  /** First element of the result in here, counted in C order. */
  readonly offset: number;
  /** Little-endian elements, for every dtype but strings. */
  readonly data: Uint8Array;
  /** For strings: in place of `data`, which is empty. */
  readonly strings?: readonly (string | null)[];
}

export type ArrayReader = FormatReader<ArrayMetadata, ArrayQuery, ArrayBlock>;
