import { RiffleError } from "../../errors.ts";
import { latin1, uint64, validUtf8, viewOf } from "../binary.ts";

const MAX_NAME_BYTES = 64 * 1024;
const FIRST_FIELD = 4;

export function malformed(what: string): RiffleError {
  return new RiffleError("malformed", `the netCDF file is broken: ${what}`);
}

/** The header goes on behind what was read. */
export class Cut extends Error {
  override readonly name = "Cut";
  /** Bytes of the file, from its start, that the next field needs. */
  readonly needed: number;

  constructor(needed: number) {
    super("the header goes on");
    this.needed = needed;
  }
}

/** The fields of a header in their order, big-endian, after the magic. Each throws `Cut` where its bytes are not there. */
export class Fields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly version: number;
  #at = FIRST_FIELD;

  constructor(bytes: Uint8Array, version: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.version = version;
  }

  /** How far was read. */
  get at(): number {
    return this.#at;
  }

  #skip(bytes: number): number {
    const start = this.#at;
    if (!(start + bytes <= this.#bytes.length)) throw new Cut(start + bytes);
    this.#at = start + bytes;
    return start;
  }

  number(): number {
    return this.#view.getUint32(this.#skip(4), false);
  }

  /** Counts and lengths: 64 bits in CDF-5. */
  count(): number {
    return this.version === 5 ? uint64(this.#view, this.#skip(8), false) : this.number();
  }

  /** Like a count, but all ones say that it is not known. */
  records(): number | undefined {
    const width = this.version === 5 ? 8 : 4;
    const start = this.#skip(width);
    if (this.#bytes.subarray(start, start + width).every((byte) => byte === 0xff)) return undefined;
    return width === 8 ? uint64(this.#view, start, false) : this.#view.getUint32(start, false);
  }

  /** 64 bits from CDF-2 on. */
  offset(): number {
    return this.version === 1 ? this.number() : uint64(this.#view, this.#skip(8), false);
  }

  /** Filled up to four bytes, with whatever the writer had. */
  padded(bytes: number): Uint8Array {
    const start = this.#skip(Math.ceil(bytes / 4) * 4);
    return this.#bytes.subarray(start, start + bytes);
  }

  name(): string {
    const length = this.count();
    if (length > MAX_NAME_BYTES) throw malformed(`a name of ${length} bytes`);
    return textOf(this.padded(length));
  }

  /** A list with its tag. No count can promise more members than would fit in `maxBytes`, at `minBytes` each. */
  list<T>(
    read: () => T,
    { tag, minBytes, maxBytes }: { tag: number; minBytes: number; maxBytes: number },
  ): readonly T[] {
    const found = this.number();
    const count = this.count();
    if (found === 0 && count === 0) return [];
    if (found !== tag) throw malformed(`a list of kind ${found} is where one of kind ${tag} should be`);
    if (count * minBytes > maxBytes) throw malformed(`a list counts ${count} members`);
    const members: T[] = [];
    for (let at = 0; at < count; at += 1) members.push(read());
    return members;
  }
}

/** UTF-8 by the format, Latin-1 by some writers. */
export function textOf(bytes: Uint8Array): string {
  return validUtf8(bytes) ?? latin1(bytes);
}
