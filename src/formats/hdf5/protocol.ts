import type { ByteRange } from "../../bytes/range.ts";
import type { ErrorCode } from "../../errors.ts";
import type { ElementType } from "../element-type.ts";

/** What the worker starts with. */
export interface WorkerSetup {
  /** `STATE` and `LENGTH`, then the bytes of an answer. */
  readonly shared: SharedArrayBuffer;
  readonly size: number;
}

/** Of the two 32-bit words before the bytes. The worker sleeps while the state is `WAITING`. */
export const STATE_WORD = 0;
export const LENGTH_WORD = 1;
export const HEADER_BYTES = 8;
export const WAITING = 0;
export const ANSWERED = 1;
export const FAILED = 2;

/** How much of a read is handed over at once. */
export const SHARED_BYTES: number = HEADER_BYTES + 4 * 1024 * 1024;

export interface Hdf5Dataset {
  /** Without a slash at its beginning. */
  readonly path: string;
  readonly shape: readonly number[];
  readonly chunks: readonly number[] | undefined;
  readonly type: Hdf5Type;
  /** Of elements that lie in one piece, unfiltered; undefined for all others. */
  readonly contiguous: ByteRange | undefined;
  readonly filters: readonly string[];
}

export type Hdf5Type =
  | {
      readonly kind: "fixed";
      readonly type: ElementType;
      /** Axes of each element, for array types. */ readonly inner: readonly number[];
    }
  | { readonly kind: "text" }
  | { readonly kind: "unsupported"; readonly why: string };

export interface Selection {
  readonly start: readonly number[];
  readonly step: readonly number[];
  readonly count: readonly number[];
}

/** Bytes of the file that were fetched before they are asked for. */
export interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

export type Command =
  | { readonly kind: "open" }
  | { readonly kind: "chunks"; readonly path: string; readonly cells: readonly (readonly number[])[] }
  | { readonly kind: "read"; readonly path: string; readonly selection: Selection; readonly pieces: readonly Piece[] };

export interface Answers {
  readonly open: {
    readonly datasets: readonly Hdf5Dataset[];
    readonly groups: number;
    readonly isNetcdf: boolean;
    readonly omitted: number;
  };
  /** One for each cell, null where nothing is stored; undefined where the index is of a kind that is not looked into. */
  readonly chunks: readonly (ByteRange | null)[] | undefined;
  readonly read: { readonly data: Uint8Array } | { readonly strings: readonly (string | null)[] };
}

/** From the worker. */
export type WorkerMessage =
  /** Wants these bytes; the first part of them is put into the shared buffer. */
  | { readonly kind: "fetch"; readonly range: ByteRange }
  /** Wants the next part of the same. */
  | { readonly kind: "more"; readonly range: ByteRange }
  | { readonly kind: "done"; readonly answer: Answers[keyof Answers] }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };
