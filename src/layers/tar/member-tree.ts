import { RiffleError } from "../../errors.ts";
import type { ArchiveListing, Omission } from "../archive-listing.ts";
import type { TreeEntry } from "../tree-entry.ts";
import { printable } from "../names.ts";
import type { TarMember } from "./member.ts";

const COMPONENT_BYTES = 255;
/** PATH_MAX of Linux without its NUL. */
const PATH_BYTES = 4095;
const MOST_OMISSIONS = 20;
/** Names of one archive, directories among them: what is kept of each is some hundred bytes. */
const MOST_NODES = 2_000_000;
const SLASH = 0x2f;

type Kind = TreeEntry["kind"];

interface Node {
  readonly parent: number;
  readonly path: Buffer;
  readonly kind: Kind;
  /** Undefined for a directory that no member described. */
  readonly entry: Omit<TreeEntry, "path" | "kind"> | undefined;
}

const ROOT = 0;

/**
 * The members of one archive, taken in their order as if they were unpacked: a later one of a name replaces an earlier
 * one, hard links share what an earlier member is then, and what could not lie anywhere is left out.
 */
export class MemberTree {
  /** The root's path is empty. A node that was replaced stays in the list; `#nodes` of its name has another number then. */
  readonly #nodes: Node[] = [{ parent: ROOT, path: Buffer.alloc(0), kind: "directory", entry: undefined }];
  /** By the number of the directory and the name in it. */
  readonly #byName = new Map<string, number>();
  readonly #omissions: Omission[] = [];
  #omitted = 0;
  #members = 0;
  #groups = 0;

  /** Throws `malformed` for more names than are kept of one archive. */
  add(member: TarMember): void {
    this.#members += 1;
    const steps = stepsOf(member.name);
    const reason = typeof steps === "string" ? steps : this.#place(member, steps);
    if (reason === undefined) return;
    this.#omitted += 1;
    if (this.#omissions.length >= MOST_OMISSIONS) return;
    this.#omissions.push({ member: printable(Buffer.from(member.name).toString()), reason });
  }

  listing(): ArchiveListing {
    const alive = new Uint8Array(this.#nodes.length);
    const entries: TreeEntry[] = [];
    for (const [number, node] of this.#nodes.entries()) {
      // Directories come before what lies in them, so that one pass sees all that lies in a replaced one.
      const isNamed = number === ROOT || this.#byName.get(keyOf(node)) === number;
      if (!isNamed || (number !== ROOT && alive[node.parent] === 0)) continue;
      alive[number] = 1;
      if (number === ROOT && node.entry === undefined) continue;
      entries.push({ ...node.entry, path: textOr(node.path), kind: node.kind });
    }
    return {
      entries,
      omissions: this.#omissions,
      omitted: this.#omitted,
      members: this.#members,
      groups: this.#groups,
    };
  }

  /** Why it has no place, where it has none. */
  #place(member: TarMember, steps: readonly Buffer[]): string | undefined {
    if (member.kind === "special") return "is a device, a FIFO or the like";
    if (member.sparse === "invalid") return "is sparse, and its map does not hold";
    if (steps.length === 0) return this.#describeRoot(member);
    const entry = member.kind === "hardlink" ? this.#linked(member) : entryOf(member);
    if (typeof entry === "string") return entry;
    const parent = this.#directory(steps.slice(0, -1));
    if (parent === undefined) return "lies below a file or a link";
    this.#set(parent, steps.at(-1) ?? Buffer.alloc(0), entry);
    return undefined;
  }

  #describeRoot(member: TarMember): string | undefined {
    const entry = entryOf(member);
    if (member.kind !== "directory" || typeof entry === "string") return "names no file";
    const root = this.#nodes[ROOT];
    if (root !== undefined) this.#nodes[ROOT] = { ...root, entry: entry.entry };
    return undefined;
  }

  /** The directory of these steps, made where it is new; undefined where a file or a link is in the way. */
  #directory(steps: readonly Buffer[]): number | undefined {
    let at = ROOT;
    for (const step of steps) {
      const known = this.#byName.get(`${at}/${step.toString("latin1")}`);
      if (known !== undefined && this.#nodes[known]?.kind !== "directory") return undefined;
      at = known ?? this.#append(at, step, { kind: "directory", entry: undefined });
    }
    return at;
  }

  #set(parent: number, name: Buffer, { kind, entry }: Pick<Node, "kind" | "entry">): void {
    const known = this.#byName.get(`${parent}/${name.toString("latin1")}`);
    const node = known === undefined ? undefined : this.#nodes[known];
    // A directory that comes again keeps what lies in it.
    if (known !== undefined && node?.kind === "directory" && kind === "directory")
      this.#nodes[known] = { ...node, entry };
    else this.#append(parent, name, { kind, entry });
  }

  #append(parent: number, name: Buffer, { kind, entry }: Pick<Node, "kind" | "entry">): number {
    if (this.#nodes.length >= MOST_NODES) {
      throw new RiffleError("malformed", `the archive holds more than ${MOST_NODES} names`);
    }
    const above = this.#nodes[parent]?.path ?? Buffer.alloc(0);
    const path = above.length === 0 ? Buffer.from(name) : Buffer.concat([above, Buffer.of(SLASH), name]);
    const node = { parent, path, kind, entry };
    const number = this.#nodes.push(node) - 1;
    this.#byName.set(`${parent}/${name.toString("latin1")}`, number);
    return number;
  }

  /** A hard link is the member that it names, as that is now. */
  #linked(member: TarMember): Pick<Node, "kind" | "entry"> | string {
    const steps = stepsOf(member.link);
    const found = typeof steps === "string" ? undefined : this.#find(steps);
    const node = found === undefined ? undefined : this.#nodes[found];
    if (found === undefined || node?.entry === undefined || node.kind === "directory")
      return "is a hard link to no earlier member";
    const group = node.entry.group ?? (this.#groups += 1);
    const entry = { ...node.entry, group };
    this.#nodes[found] = { ...node, entry };
    return { kind: node.kind, entry };
  }

  #find(steps: readonly Buffer[]): number | undefined {
    let at: number | undefined = ROOT;
    for (const step of steps) {
      if (at === undefined || this.#nodes[at]?.kind !== "directory") return undefined;
      at = this.#byName.get(`${at}/${step.toString("latin1")}`);
    }
    return at;
  }
}

function keyOf({ parent, path }: Node): string {
  return `${parent}/${path.toString("latin1", path.lastIndexOf(SLASH) + 1)}`;
}

/** The components of a name, `.` and empty ones dropped; or why it can be no path below a directory. */
function stepsOf(name: Uint8Array): readonly Buffer[] | string {
  const bytes = Buffer.from(name.buffer, name.byteOffset, name.length);
  if (bytes.length > PATH_BYTES) return "is longer than any path may be";
  const steps: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const slash = bytes.indexOf(SLASH, start);
    const end = slash < 0 ? bytes.length : slash;
    const step = bytes.subarray(start, end);
    const text = step.length > 2 ? "" : step.toString("latin1");
    if (text === "..") return "would lie outside of the archive";
    if (step.length > COMPONENT_BYTES) return "has a component over 255 bytes";
    if (step.length > 0 && text !== ".") steps.push(step);
    start = end + 1;
  }
  return steps;
}

function entryOf(member: TarMember): Pick<Node, "kind" | "entry"> | string {
  const { kind, mode, mtime, size, offset, sparse } = member;
  if (kind === "directory") return { kind, entry: { mode, mtime } };
  if (kind === "symlink") {
    const isUsable = member.link.length > 0 && member.link.length <= PATH_BYTES;
    if (!isUsable) return "is a symbolic link without a usable target";
    return { kind, entry: { mode: 0o777, mtime, target: Uint8Array.from(member.link) } };
  }
  if (kind !== "file") return "has no content";
  const isWhole = sparse === undefined || (sparse !== "invalid" && isWithoutHoles(sparse, size));
  return isWhole ? { kind, entry: { mode, mtime, size, offset } } : "is sparse, which cannot be read yet";
}

/** Then its bytes lie in the archive as they are in the file. */
function isWithoutHoles(parts: readonly { readonly offset: number; readonly bytes: number }[], size: number): boolean {
  let end = 0;
  for (const { offset, bytes } of parts) {
    if (offset !== end) return false;
    end = offset + bytes;
  }
  return end === size;
}

/** Bytes only for names that are no UTF-8: text weighs less. */
function textOr(path: Buffer): string | Uint8Array {
  const text = path.toString();
  return Buffer.from(text).equals(path) ? text : path;
}
