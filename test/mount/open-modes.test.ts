import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OpenKind } from "../../src/artifact/served.ts";
import { decideOpen, OpenTable, type OpenMode, type OpenRules } from "../../src/mount/open-modes.ts";

const NEW_KERNEL: OpenRules = { pageCache: "auto", directMmap: true, passthrough: true };
const decide = (grant: OpenKind, rules: Partial<OpenRules> = {}, live = false): object =>
  decideOpen({ grant, live, opens: undefined }, { ...NEW_KERNEL, ...rules });

describe("the first open of an inode", () => {
  test("is what its bytes are proven for", () => {
    expect(decide("direct")).toEqual({ kind: "start", mode: "direct" });
    expect(decide("keep")).toEqual({ kind: "start", mode: "keep" });
    expect(decide("backed")).toEqual({ kind: "back", otherwise: "keep" });
    expect(decide("backed", { passthrough: false })).toEqual({ kind: "start", mode: "keep" });
  });
  test("is direct with --page-cache never, kept with always", () => {
    for (const grant of ["direct", "keep", "backed"] as const) {
      expect(decide(grant, { pageCache: "never" })).toEqual({ kind: "start", mode: "direct" });
      expect(decide(grant, { pageCache: "never", directMmap: false })).toEqual({ kind: "start", mode: "direct" });
    }
    expect(decide("direct", { pageCache: "always" })).toEqual({ kind: "start", mode: "keep" });
    expect(decide("backed", { pageCache: "always" })).toEqual({ kind: "back", otherwise: "keep" });
  });
  test("is direct for what changes, whatever is wanted", () => {
    for (const pageCache of ["auto", "always", "never"] as const) {
      for (const directMmap of [true, false]) {
        expect(decide("backed", { pageCache, directMmap }, true)).toEqual({ kind: "start", mode: "direct" });
      }
    }
  });
  test("can be mapped on kernels that cannot map direct files: cached until the next open", () => {
    expect(decide("direct", { directMmap: false })).toEqual({ kind: "start", mode: "cached" });
    expect(decide("keep", { directMmap: false })).toEqual({ kind: "start", mode: "keep" });
  });
});

/** fs/fuse/iomode.c, as far as opens go: what the kernel holds of one inode, and what it refuses with EIO. */
class KernelInode {
  readonly #opens = new Map<number, { mode: OpenMode; mapped: boolean; backingId: number | undefined }>();

  open(handle: number, mode: OpenMode, backingId: number | undefined): boolean {
    const others = [...this.#opens.values()];
    const backed = others.find((other) => other.mode === "passthrough");
    if (backed !== undefined && (mode !== "passthrough" || backed.backingId !== backingId)) return false;
    const cached = others.some((other) => other.mode === "keep" || other.mode === "cached" || other.mapped);
    if (mode === "passthrough" && cached) return false;
    this.#opens.set(handle, { mode, mapped: false, backingId });
    return true;
  }

  /** A shared mapping of a direct open puts the inode into cached mode, which the daemon does not see. */
  map(handle: number): void {
    const open = this.#opens.get(handle);
    if (open?.mode === "direct") this.#opens.set(handle, { ...open, mapped: true });
  }

  close(handle: number): void {
    this.#opens.delete(handle);
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant("open" as const),
    inode: fc.nat(2),
    grant: fc.constantFrom<OpenKind>("direct", "keep", "backed"),
    taken: fc.boolean(),
  }),
  fc.record({ kind: fc.constantFrom("map" as const, "close" as const, "release" as const), which: fc.nat(20) }),
);

test("no order of opens, maps and late releases makes the kernel refuse an open; every backing id is closed once", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom("auto" as const, "always" as const, "never" as const),
      fc.boolean(),
      (steps, pageCache, directMmap) => {
        const rules: OpenRules = { pageCache, directMmap, passthrough: true };
        const table = new OpenTable();
        const kernel = [new KernelInode(), new KernelInode(), new KernelInode()];
        const open: { handle: number; inode: number }[] = [];
        const late: number[] = [];
        const registered = new Set<number>();
        let last = 0;
        const release = (inode: number): void => {
          const unused = table.remove(inode);
          if (unused !== undefined) expect(registered.delete(unused)).toBe(true);
        };
        for (const next of steps) {
          if (next.kind === "open") {
            const { inode } = next;
            const decision = decideOpen({ grant: next.grant, live: false, opens: table.get(inode) }, rules);
            let mode: OpenMode;
            let id: number | undefined;
            if (decision.kind === "join") ({ mode, backingId: id } = decision.opens);
            else if (decision.kind === "start") mode = decision.mode;
            else {
              mode = next.taken ? "passthrough" : decision.otherwise;
              if (next.taken) registered.add((id = last += 1));
            }
            if (pageCache === "never") expect(mode).toBe("direct");
            table.add(inode, mode, id);
            const handle = (last += 1);
            expect(kernel[inode]?.open(handle, mode, id)).toBe(true);
            open.push({ handle, inode });
          } else if (next.kind === "release") {
            const inode = late.shift();
            if (inode !== undefined) release(inode);
          } else {
            const target = open[next.which % Math.max(1, open.length)];
            if (target === undefined) continue;
            if (next.kind === "map") kernel[target.inode]?.map(target.handle);
            else {
              kernel[target.inode]?.close(target.handle);
              open.splice(open.indexOf(target), 1);
              late.push(target.inode);
            }
          }
        }
        for (const { inode } of open) late.push(inode);
        for (const inode of late) release(inode);
        expect(registered.size).toBe(0);
        expect(table.backingIds()).toEqual([]);
      },
    ),
    { numRuns: 500 },
  );
});

test("releases that nobody opened are nothing", () => {
  const table = new OpenTable();
  expect(table.remove(3)).toBeUndefined();
  table.add(3, "passthrough", 9);
  table.add(3, "passthrough", 9);
  expect([table.remove(3), table.remove(3), table.remove(3)]).toEqual([undefined, 9, undefined]);
});
