import type { Digest } from "../bytes/digest.ts";

/** A name that was changed, or a layer that was left out (`name` is undefined). One for each at most. */
export interface TreeWarning {
  readonly layer: Digest;
  /** The name as the artifact has it, printable and cut to a bearable length. */
  readonly original: string;
  readonly name: string | undefined;
  readonly reason: string;
}
