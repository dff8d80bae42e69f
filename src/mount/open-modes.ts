import type { OpenGrant } from "../artifact/served.ts";
import type { PageCache } from "./backend.ts";

/**
 * How the kernel treats one open:
 * - `direct`: every read comes to us; `keep`: its pages outlive the open; `cached`: they are dropped at the next open
 * - `passthrough`: the kernel reads the backing file alone
 */
export type OpenMode = "direct" | "keep" | "cached" | "passthrough";

/** The opens of one inode that are alive. All are of one mode. */
export interface InodeOpens {
  readonly mode: OpenMode;
  readonly count: number;
  /** The kernel's id of the backing file, for `passthrough`. */
  readonly backingId?: number;
}

export interface OpenRules {
  readonly pageCache: PageCache;
  /** Directly opened files can be mapped (Linux 6.6). */
  readonly directMmap: boolean;
  /** Backing files can be registered (Linux 6.9, root, koffi). */
  readonly passthrough: boolean;
}

export type OpenDecision =
  /** As the opens that are alive. */
  | { readonly kind: "join"; readonly opens: InodeOpens }
  /** First open of the inode: in this mode. */
  | { readonly kind: "start"; readonly mode: Exclude<OpenMode, "passthrough"> }
  /** First open of the inode: register the backing file, or if that fails start with `otherwise`. */
  | { readonly kind: "back"; readonly otherwise: Exclude<OpenMode, "passthrough"> };

/**
 * The kernel does not negotiate a mode: an open that conflicts with the inode's present one fails with EIO
 * (fs/fuse/iomode.c). So passthrough begins only where no open is alive, and what an inode has, later opens get. RELEASE
 * arrives late, so counting errs on the safe side.
 */
export function decideOpen(
  open: { readonly grant: OpenGrant["kind"]; readonly live: boolean; readonly opens: InodeOpens | undefined },
  rules: OpenRules,
): OpenDecision {
  if (open.opens !== undefined && open.opens.count > 0) return { kind: "join", opens: open.opens };
  if (open.live || rules.pageCache === "never") return { kind: "start", mode: "direct" };
  if (open.grant === "backed" && rules.passthrough) return { kind: "back", otherwise: "keep" };
  if (open.grant !== "direct" || rules.pageCache === "always") return { kind: "start", mode: "keep" };
  // Where the kernel cannot map a direct file, mmap would fail with ENODEV: what is not proven is cached from one open
  // to the next, no longer.
  return { kind: "start", mode: rules.directMmap ? "direct" : "cached" };
}

/** Opens by inode. Nothing here waits; the caller does what the decisions say. */
export class OpenTable {
  readonly #inodes = new Map<number, InodeOpens>();

  get(inode: number): InodeOpens | undefined {
    return this.#inodes.get(inode);
  }

  /** One more open, of the mode that was decided. */
  add(inode: number, mode: OpenMode, backingId?: number): void {
    const count = (this.#inodes.get(inode)?.count ?? 0) + 1;
    this.#inodes.set(inode, { mode, count, ...(backingId === undefined ? {} : { backingId }) });
  }

  /** One open less; returns the backing id that nobody uses any more. */
  remove(inode: number): number | undefined {
    const opens = this.#inodes.get(inode);
    if (opens === undefined) return undefined;
    if (opens.count > 1) {
      this.#inodes.set(inode, { ...opens, count: opens.count - 1 });
      return undefined;
    }
    this.#inodes.delete(inode);
    return opens.backingId;
  }

  /** Backing ids that are still registered. */
  backingIds(): readonly number[] {
    return [...this.#inodes.values()].flatMap((opens) => (opens.backingId === undefined ? [] : [opens.backingId]));
  }
}
