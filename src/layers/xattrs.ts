import type { Descriptor } from "../oci/descriptor.ts";

/** One extended attribute. Without a value it is listed only: its value changes, and whoever serves the file gives it. */
export interface Xattr {
  readonly name: string;
  readonly value?: Uint8Array;
}

/** Limits of Linux (`linux/limits.h`): bytes of a name, of a value, and of the list of a file's names. */
const NAME_BYTES = 255;
const VALUE_BYTES = 65_536;
const LIST_BYTES = 65_536;

/** Pooled, and without a copy for short texts: a manifest may hold ten thousand layers with annotations. */
const encode = (text: string): Uint8Array => Buffer.from(text);

/**
 * INTERFACE section 3.8: what every file of this blob carries. Annotations whose name or value Linux could not give are
 * left out, and so are those that would overflow the list (listing would then fail for the whole file).
 */
export function descriptorXattrs(descriptor: Descriptor): Xattr[] {
  const fixed: Xattr[] = [
    { name: "user.oci.digest", value: encode(descriptor.digest) },
    { name: "user.oci.mediatype", value: encode(descriptor.mediaType) },
    { name: "user.oci.verified" },
    { name: "user.oci.cached" },
  ];
  const annotations = Object.entries(descriptor.annotations).map(([key, value]): Xattr => {
    return { name: `user.oci.annotation.${key}`, value: encode(value) };
  });
  let listBytes = 0;
  return [...fixed, ...annotations].filter(({ name, value }) => {
    const bytes = Buffer.byteLength(name);
    if (bytes > NAME_BYTES || name.includes("\0") || (value?.length ?? 0) > VALUE_BYTES) return false;
    if (listBytes + bytes + 1 > LIST_BYTES) return false;
    listBytes += bytes + 1;
    return true;
  });
}

/**
 * The attributes of one source as the tree table stores them: u32 bytes of the list, the list (`name NUL` each), then for
 * each attribute that has a value u32 bytes of the name, u32 bytes of the value, name, value. Numbers are little-endian.
 */
export function encodeXattrs(xattrs: readonly Xattr[]): Uint8Array {
  if (xattrs.length === 0) return new Uint8Array(0);
  const list = encode(xattrs.map(({ name }) => `${name}\0`).join(""));
  const parts: Uint8Array[] = [numbers(list.length), list];
  for (const { name, value } of xattrs) {
    if (value === undefined) continue;
    const bytes = encode(name);
    parts.push(numbers(bytes.length, value.length), bytes, value);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Cuts at the end of damaged bytes instead of reading past it. */
export function decodeXattrNames(record: Uint8Array): Uint8Array {
  return record.subarray(4, 4 + numberAt(record, 0));
}

export function decodeXattr(record: Uint8Array, name: string): Uint8Array | undefined {
  const wanted = encode(name);
  let at = 4 + numberAt(record, 0);
  while (at + 8 <= record.length) {
    const nameBytes = numberAt(record, at);
    const valueBytes = numberAt(record, at + 4);
    const nameAt = at + 8;
    if (nameBytes === wanted.length && wanted.every((byte, index) => record[nameAt + index] === byte)) {
      return record.subarray(nameAt + nameBytes, nameAt + nameBytes + valueBytes);
    }
    at = nameAt + nameBytes + valueBytes;
  }
  return undefined;
}

/** Whether a record is whole: the list ends in NUL, and the attributes fill the rest exactly. */
export function xattrsAreWhole(record: Uint8Array): boolean {
  if (record.length === 0) return true;
  const listBytes = numberAt(record, 0);
  let at = 4 + listBytes;
  if (listBytes === 0 || at > record.length || record[at - 1] !== 0) return false;
  while (at + 8 <= record.length) at += 8 + numberAt(record, at) + numberAt(record, at + 4);
  return at === record.length;
}

function numbers(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value, true));
  return bytes;
}

function numberAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return a + b * 0x100 + c * 0x1_0000 + d * 0x100_0000;
}
