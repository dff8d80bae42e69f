import { crc32, deflateRawSync } from "node:zlib";

export interface MadeMember {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate?: boolean;
  /** In place of the true ones. */
  readonly size?: number;
  readonly crc?: number;
}

/** A zip archive with a central directory and plain local headers. */
export function madeZip(members: readonly MadeMember[]): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, deflate = false, size = content.length, crc = crc32(content) } of members) {
    const stored = deflate ? deflateRawSync(content) : Buffer.from(content);
    const title = Buffer.from(name);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x800, 2);
    fields.writeUInt16LE(deflate ? 8 : 0, 4);
    fields.writeUInt32LE(crc, 10);
    fields.writeUInt32LE(stored.length, 14);
    fields.writeUInt32LE(size, 18);
    fields.writeUInt16LE(title.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    parts.push(Buffer.from("PK\u0003\u0004", "latin1"), fields, title, stored);
    directory.push(Buffer.from("PK\u0001\u0002\u0014\0", "latin1"), fields, tail, title);
    offset += 30 + title.length + stored.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", "latin1");
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...parts, entries, end]));
}
