import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { untilNul } from "./fields.ts";
import { BLOCK_BYTES, isZeroBlock, parseHeader, type TarHeader } from "./header.ts";
import type { MemberKind, TarMember } from "./member.ts";
import { parsePax, type PaxRecords } from "./pax.ts";
import { checkedParts, extensionMap, headerMap, leadingMap, MOST_PARTS } from "./sparse.ts";

/** Of one extended header or long name. Those of real archives are below 64 KiB; a map of version 0.1 is the longest. */
const MOST_EXTENSION_BYTES = 4 * 1024 * 1024;
/** Extended headers before one member: a long name, a long link and two pax headers are all that writers make. */
const MOST_EXTENSIONS = 16;

/** What was said of the next member before its own header. */
interface Extensions {
  readonly count: number;
  readonly pax: PaxRecords;
  readonly longName?: Uint8Array;
  readonly longLink?: Uint8Array;
}

/** What the bytes that are wanted will be. */
type Awaited =
  | { readonly kind: "header" }
  | { readonly kind: "extension"; readonly type: string; readonly bytes: number }
  | {
      readonly kind: "sparse-block";
      readonly member: StoredMember;
      readonly numbers: number[];
      readonly realSize: number;
    }
  | { readonly kind: "sparse-map"; readonly member: StoredMember; readonly realSize: number };

/** A member whose stored bytes are known to lie inside the archive. */
interface StoredMember extends TarMember {
  readonly storedBytes: number;
}

const NO_EXTENSIONS: Extensions = { count: 0, pax: {} };

/**
 * Finds the members of a tar archive without its contents: `wanted` is what it must see next, `give` takes exactly that. It
 * does no I/O, so that the same code runs over ranges and over a stream that passes. What it keeps is bounded, whatever the
 * archive says. `give` throws `malformed` where no later header could be found.
 */
export class TarReader {
  readonly #size: number;
  #awaited: Awaited = { kind: "header" };
  #wanted: ByteRange | undefined;
  #extensions: Extensions = NO_EXTENSIONS;
  #memberStart = 0;

  /** `size` is that of the archive; no member may reach past it. */
  constructor(size: number) {
    this.#size = size;
    this.#wantHeader(0);
  }

  /** Undefined once the archive has ended. */
  get wanted(): ByteRange | undefined {
    return this.#wanted;
  }

  /** Where the first header of the present member lies. */
  get memberStart(): number {
    return this.#memberStart;
  }

  /** The bytes of `wanted`, exactly; the member that they complete, if they do. */
  give(bytes: Uint8Array): TarMember | undefined {
    const at = this.#wanted?.start ?? this.#size;
    const awaited = this.#awaited;
    if (awaited.kind === "header") return this.#header(bytes, at);
    if (awaited.kind === "sparse-block") return this.#sparseBlock(awaited, bytes, at);
    if (awaited.kind === "sparse-map") return this.#sparseMap(awaited, bytes);
    this.#extend(awaited.type, bytes.subarray(0, awaited.bytes));
    this.#wantHeader(at + padded(awaited.bytes));
    return undefined;
  }

  #header(block: Uint8Array, at: number): TarMember | undefined {
    if (isZeroBlock(block)) {
      if (this.#extensions.count > 0) throw malformedTar(at, "an extended header without a member");
      this.#wanted = undefined;
      return undefined;
    }
    if (this.#extensions.count === 0) this.#memberStart = at;
    const header = parseHeader(block);
    if (header === undefined) throw malformedTar(at, "a header whose checksum does not hold");
    if ("xXgLKNVA".includes(header.type)) {
      const bytes = this.#storedBytes(header.size, at);
      if (bytes > MOST_EXTENSION_BYTES) throw malformedTar(at, "an extended header that is too long");
      if (this.#extensions.count >= MOST_EXTENSIONS) throw malformedTar(at, "too many extended headers for one member");
      this.#awaited = { kind: "extension", type: header.type, bytes };
      this.#wanted = { start: at + BLOCK_BYTES, end: at + BLOCK_BYTES + bytes };
      return bytes === 0 ? this.give(new Uint8Array(0)) : undefined;
    }
    return this.#member(header, block, at);
  }

  #extend(type: string, bytes: Uint8Array): void {
    const { count, pax, longName, longLink } = this.#extensions;
    const known = { pax, ...(longName && { longName }), ...(longLink && { longLink }) };
    if (type === "x" || type === "X") this.#extensions = { ...known, count: count + 1, pax: parsePax(bytes) };
    else if (type === "L")
      this.#extensions = { ...known, count: count + 1, longName: Uint8Array.from(untilNul(bytes)) };
    else if (type === "K")
      this.#extensions = { ...known, count: count + 1, longLink: Uint8Array.from(untilNul(bytes)) };
    // A global header is checked and says nothing of single members; labels and access lists are no members either.
    else if (type === "g") parsePax(bytes);
  }

  #member(header: TarHeader, block: Uint8Array, at: number): TarMember | undefined {
    const { pax, longName, longLink } = this.#extensions;
    this.#extensions = NO_EXTENSIONS;
    const name = longName ?? pax.sparse?.name ?? pax.path ?? header.name;
    const kind = kindOf(header.type, name);
    const isStored = kind === "file" || header.type === "D" || header.type === "M";
    const declared = this.#storedBytes(pax.size ?? header.size, isStored ? at : undefined);
    const storedBytes = isStored ? declared : 0;
    const member: StoredMember = {
      kind,
      name,
      link: longLink ?? pax.linkpath ?? header.link,
      mode: header.mode,
      mtime: pax.mtime ?? header.mtime,
      size: kind === "file" ? storedBytes : 0,
      offset: at + BLOCK_BYTES,
      storedBytes,
    };
    if (header.type === "S") {
      const { realSize } = headerMap(block);
      return this.#sparseBlock({ member, numbers: [], realSize }, block, at);
    }
    if (kind !== "file" || pax.sparse === undefined) return this.#complete(member);
    const realSize = pax.sparse.realSize ?? Number.NaN;
    if (pax.sparse.map !== undefined) return this.#sparse(member, pax.sparse.map, realSize);
    if (pax.sparse.major !== 1 || (pax.sparse.minor ?? 0) !== 0) return this.#sparse(member, [Number.NaN], realSize);
    return this.#wantMap(member, realSize, BLOCK_BYTES);
  }

  /** A block of an old GNU map: the header itself, or one of those behind it. */
  #sparseBlock(
    known: { readonly member: StoredMember; readonly numbers: number[]; readonly realSize: number },
    block: Uint8Array,
    at: number,
  ): TarMember | undefined {
    const isHeader = at < known.member.offset;
    const { numbers, isExtended } = isHeader ? headerMap(block) : extensionMap(block);
    const { realSize } = known;
    // What is too long to be kept is too long to be believed; its blocks still must be passed.
    if (known.numbers.length <= 2 * MOST_PARTS) known.numbers.push(...numbers);
    const next = at + BLOCK_BYTES;
    const member = this.#inside({ ...known.member, offset: next }, at);
    if (!isExtended) return this.#sparse(member, known.numbers, realSize);
    if (next + BLOCK_BYTES > this.#size) throw malformedTar(at, "a sparse map that is cut short");
    this.#awaited = { kind: "sparse-block", member, numbers: known.numbers, realSize };
    this.#wanted = { start: next, end: next + BLOCK_BYTES };
    return undefined;
  }

  #sparseMap(awaited: Awaited & { readonly kind: "sparse-map" }, bytes: Uint8Array): TarMember | undefined {
    const { member, realSize } = awaited;
    const map = leadingMap(bytes);
    if (map !== undefined) {
      const skipped = padded(map.bytes);
      const storedBytes = member.storedBytes - skipped;
      return this.#sparse(member, map.numbers, realSize, { offset: member.offset + skipped, storedBytes });
    }
    const isAll = bytes.length === member.storedBytes || bytes.length >= MOST_EXTENSION_BYTES;
    return isAll ? this.#sparse(member, [Number.NaN], realSize) : this.#wantMap(member, realSize, bytes.length * 2);
  }

  #wantMap(member: StoredMember, realSize: number, bytes: number): TarMember | undefined {
    if (member.storedBytes === 0) return this.#sparse(member, [Number.NaN], realSize);
    this.#awaited = { kind: "sparse-map", member, realSize };
    this.#wanted = { start: member.offset, end: member.offset + Math.min(bytes, member.storedBytes) };
    return undefined;
  }

  #sparse(
    member: StoredMember,
    numbers: readonly number[],
    realSize: number,
    content: { readonly offset: number; readonly storedBytes: number } = member,
  ): TarMember {
    const parts = checkedParts(numbers, { realSize, storedBytes: content.storedBytes });
    const size = parts === undefined ? 0 : realSize;
    return { ...this.#complete(member), size, offset: content.offset, sparse: parts ?? "invalid" };
  }

  #complete({ storedBytes, ...member }: StoredMember): TarMember {
    this.#wantHeader(member.offset + padded(storedBytes));
    return member;
  }

  #inside(member: StoredMember, at: number): StoredMember {
    if (member.storedBytes > this.#size - member.offset) throw malformedTar(at, "a member that reaches past the end");
    return member;
  }

  /** Throws for what no later header could be found behind. Without `at` nothing is stored: only the number must be one. */
  #storedBytes(size: number | undefined, at: number | undefined): number {
    if (size === undefined || !Number.isSafeInteger(size) || size < 0)
      throw malformedTar(at ?? this.#memberStart, "a size that no member can have");
    if (at !== undefined && size > this.#size - at - BLOCK_BYTES)
      throw malformedTar(at, "a member that reaches past the end");
    return size;
  }

  #wantHeader(at: number): void {
    this.#awaited = { kind: "header" };
    const isOver = at >= this.#size;
    if (!isOver && at + BLOCK_BYTES > this.#size) throw malformedTar(at, "a header that is cut short");
    if (isOver && this.#extensions.count > 0) throw malformedTar(at, "an extended header without a member");
    this.#wanted = isOver ? undefined : { start: at, end: at + BLOCK_BYTES };
  }
}

function kindOf(type: string, name: Uint8Array): MemberKind {
  switch (type) {
    case "1":
      return "hardlink";
    case "2":
      return "symlink";
    case "5":
    case "D":
      return "directory";
    case "3":
    case "4":
    case "6":
    case "M":
      return "special";
    case "\0":
      // Before directories had a type of their own, a slash at the end told them.
      return name.at(-1) === SLASH ? "directory" : "file";
    default:
      return "file";
  }
}

const SLASH = 0x2f;

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function malformedTar(at: number, what: string): RiffleError {
  return new RiffleError("malformed", `not a sound tar archive: it has ${what}, at byte ${at}`);
}
