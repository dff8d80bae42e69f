/** Resolves also where the call is refused with a `RiffleError`. */
export type Tried = (call: () => unknown) => Promise<void>;

/** One parser of outside bytes, and what it is tried with. */
export interface FuzzTarget {
  readonly name: string;
  /** Sound inputs: what is tried is made of them. */
  readonly seeds: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** `json`: values are changed too, not bytes alone. */
  readonly kind?: "json";
  /** Pieces of the grammar that are strewn in. */
  readonly words?: readonly string[];
  /** Default 16 KiB. */
  readonly maxBytes?: number;
  /** What one run may allocate, beyond 64 bytes for each of the input. Default 16 MiB. */
  readonly growthBytes?: number;
  /** One run in so many of those asked for: for targets that take milliseconds. Default 1. */
  readonly every?: number;
  /**
   * Resolves, or rejects with a `RiffleError`; anything else is a finding. `tried` runs a part of it whose refusal does not
   * end the run.
   */
  readonly run: (input: Uint8Array, tried: Tried) => unknown;
  /** Ends threads and removes files. */
  readonly close?: () => Promise<void> | void;
}

export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
export const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
export const textOf = (input: Uint8Array): string => Buffer.from(input).toString("utf8");
/** As Node gives headers: one character for each byte. */
export const headerOf = (input: Uint8Array): string => Buffer.from(input).toString("latin1");
