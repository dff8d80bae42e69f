import type { SparsePart } from "./sparse.ts";

export type MemberKind = "file" | "directory" | "symlink" | "hardlink" | "special";

/** One member as the archive has it: names are its bytes, nothing is looked up or made safe. */
export interface TarMember {
  readonly kind: MemberKind;
  readonly name: Uint8Array;
  /** Of links: the text of a symbolic one, the member that a hard one names. */
  readonly link: Uint8Array;
  /** Twelve permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Bytes of the file, holes included. */
  readonly size: number;
  /** Where its stored bytes begin in the archive. */
  readonly offset: number;
  /** Of a sparse member: its stored parts, one behind the other at `offset`; a reason where they cannot be believed. */
  readonly sparse?: readonly SparsePart[] | "invalid";
}
