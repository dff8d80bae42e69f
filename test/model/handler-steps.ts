import fc from "fast-check";
import { ROW_FILTERED, ROW_HIDDEN, ROW_LIVE } from "../../src/layers/tree.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { MAX_READ_BYTES, OP } from "../../src/mount/protocol.ts";

const component = fc.constantFrom("a", "b", "c.bin", "é", "n".repeat(255), "\u{10ffff}", " ", "...");
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((steps) => steps.join("/"));
export const anyEntry: fc.Arbitrary<TreeEntry> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        path,
        size: fc.oneof(fc.nat(20_000), fc.constantFrom(0, 4096, 2 ** 41)),
        source: fc.nat(2),
        offset: fc.constantFrom(0, 512, 2 ** 33),
        mode: fc.nat(0o7777),
        mtime: fc.oneof(fc.integer({ min: -5, max: 2 ** 33 }), fc.constant(1.5)),
        uid: fc.nat(9),
        gid: fc.nat(9),
        flags: fc.constantFrom(0, 0, 0, 0, ROW_HIDDEN, ROW_FILTERED, ROW_LIVE),
      })
      .map((file) => ({ ...file, kind: "file" as const })),
  },
  // Members of a group are alike: which of them decides is not what is asked here.
  {
    weight: 2,
    arbitrary: fc
      .record({ path, group: fc.nat(2) })
      .map(({ path: where, group }) => ({ path: where, kind: "file" as const, group, size: group * 50, source: 1 })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ path, target: fc.string({ minLength: 1, maxLength: 20 }) })
      .map((link) => ({ ...link, kind: "symlink" as const })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ path, mode: fc.nat(0o7777) }).map((at) => ({ ...at, kind: "directory" as const })),
  },
);

/** Without those that are in the way of another, or there twice. */
export function compatible(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const kept = new Map<string, TreeEntry>();
  for (const one of entries) {
    const own = String(one.path);
    const clashes = [...kept].some(
      ([other, { kind }]) =>
        other === own ||
        (other.startsWith(`${own}/`) && one.kind !== "directory") ||
        (own.startsWith(`${other}/`) && kind !== "directory"),
    );
    if (!clashes) kept.set(own, one);
  }
  return [...kept.values()];
}

export type Step =
  | { readonly kind: "lookup"; readonly pick: number; readonly child: number; readonly name: string | undefined }
  | {
      readonly kind: "getattr" | "readlink" | "statfs" | "forget" | "stale" | "cut";
      readonly pick: number;
      readonly value: number;
    }
  | {
      readonly kind: "list";
      readonly pick: number;
      readonly plus: boolean;
      readonly from: number;
      readonly room: number;
    }
  | { readonly kind: "read"; readonly pick: number; readonly offset: number; readonly size: number }
  | { readonly kind: "getxattr"; readonly pick: number; readonly name: string; readonly room: number }
  | { readonly kind: "listxattr"; readonly pick: number; readonly room: number }
  | { readonly kind: "refused"; readonly pick: number; readonly opcode: number; readonly body: Uint8Array };

const pick = fc.nat(1000);
const room = fc.oneof(fc.nat(400), fc.constantFrom(0, 1, 24, 32, 152, 160, 4096, 2 ** 21, 2 ** 32 - 1));
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("lookup" as const),
      pick,
      child: fc.nat(20),
      name: fc.option(
        fc.oneof(fc.constantFrom("", ".", "..", "x/y", "n".repeat(256), "zz", "A"), fc.string({ maxLength: 12 })),
        { nil: undefined, freq: 2 },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "getattr" as const,
        "readlink" as const,
        "statfs" as const,
        "forget" as const,
        "stale" as const,
        "cut" as const,
      ),
      pick,
      value: fc.nat(200),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      pick,
      plus: fc.boolean(),
      from: fc.oneof(fc.nat(12), fc.constantFrom(2 ** 31, 2 ** 53)),
      room,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      pick,
      offset: fc.oneof(fc.nat(25_000), fc.constantFrom(2 ** 40, 2 ** 41 - 1, 2 ** 53 - 1, 2 ** 60)),
      size: fc.oneof(fc.nat(20_000), fc.constantFrom(0, 1, MAX_READ_BYTES, MAX_READ_BYTES + 1, 2 ** 32 - 1)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("getxattr" as const),
      pick,
      name: fc.constantFrom(
        "user.a",
        "user.é",
        "user.empty",
        "user.oci.cached",
        "user.oci.verified",
        "user.none",
        "security.selinux",
        "",
      ),
      room,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("listxattr" as const), pick, room }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("refused" as const),
      pick,
      opcode: fc.oneof(
        fc.constantFrom(
          OP.LSEEK,
          OP.STATX,
          OP.WRITE,
          OP.SETATTR,
          OP.CREATE,
          OP.IOCTL,
          OP.FLUSH,
          OP.ACCESS,
          OP.OPENDIR,
          OP.POLL,
        ),
        fc.integer({ min: 54, max: 5000 }),
      ),
      body: fc.uint8Array({ maxLength: 200 }),
    }),
  },
);

/** Source 0 and 1 are cached, 2 is not. */
export const SLOTS: Int32Array = Int32Array.of(1, 2, 0);
export const XATTRS: readonly Readonly<Record<string, string>>[] = [
  {},
  { "user.a": "1", "user.oci.digest": "sha256:ab" },
  { "user.empty": "", "user.é": "x".repeat(300) },
];

export const byteOf = (source: number, at: number): number => (source * 31 + at * 7 + Math.floor(at / 4096)) & 255;
