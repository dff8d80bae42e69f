import { IN_HEADER_BYTES } from "../../src/mount/protocol.ts";

/** Raw FUSE messages as the kernel would send them; layouts are those of linux/fuse.h, written out once more. */
export interface MessageSpec {
  readonly opcode: number;
  readonly node?: number;
  readonly unique?: number;
  readonly body?: Uint8Array;
}

export function message(spec: MessageSpec): Uint8Array {
  const body = spec.body ?? new Uint8Array(0);
  const bytes = Buffer.alloc(IN_HEADER_BYTES + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(spec.opcode, 4);
  bytes.writeBigUInt64LE(BigInt(spec.unique ?? 2), 8);
  bytes.writeBigUInt64LE(BigInt(spec.node ?? 1), 16);
  bytes.set(body, IN_HEADER_BYTES);
  return bytes;
}

/** Little-endian fields one after the other: `[bytes, value]`. */
export function fields(...parts: readonly (readonly [4 | 8, number])[]): Uint8Array {
  return Buffer.concat(
    parts.map(([bytes, value]) => {
      const field = Buffer.alloc(bytes);
      if (bytes === 8) field.writeBigUInt64LE(BigInt(value));
      else field.writeUInt32LE(value);
      return field;
    }),
  );
}

export function text(name: string): Uint8Array {
  return Buffer.from(`${name}\0`);
}

/** struct fuse_read_in. */
export function readIn(read: { handle?: number; offset: number; size: number }): Uint8Array {
  return fields([8, read.handle ?? 1], [8, read.offset], [4, read.size], [4, 0], [8, 0], [4, 0], [4, 0]);
}

export interface Reply {
  readonly length: number;
  readonly error: number;
  readonly unique: number;
  readonly body: Buffer;
}

export function parseReply(bytes: Uint8Array): Reply {
  const reply = Buffer.from(bytes);
  return {
    length: reply.readUInt32LE(0),
    error: reply.readInt32LE(4),
    unique: Number(reply.readBigUInt64LE(8)),
    body: reply.subarray(16),
  };
}

/** Of a reply that is no error. */
export function bodyOf(reply: Reply | number): Buffer {
  if (typeof reply === "number" || reply.error !== 0) throw new Error(`no answer: ${JSON.stringify(reply)}`);
  return reply.body;
}

export interface Dirent {
  readonly name: string;
  readonly ino: number;
  readonly next: number;
  readonly type: number;
  /** Of READDIRPLUS; 0 where no attributes were given. */
  readonly node?: number;
  readonly size?: number;
}

export function parseDirents(body: Buffer, plus: boolean): Dirent[] {
  const entries: Dirent[] = [];
  for (let at = 0; at < body.length;) {
    const head = plus ? at + 128 : at;
    const nameLength = body.readUInt32LE(head + 16);
    entries.push({
      name: body.toString("utf8", head + 24, head + 24 + nameLength),
      ino: Number(body.readBigUInt64LE(head)),
      next: Number(body.readBigUInt64LE(head + 8)),
      type: body.readUInt32LE(head + 20),
      ...(plus ? { node: Number(body.readBigUInt64LE(at)), size: Number(body.readBigUInt64LE(at + 48)) } : {}),
    });
    at = head + Math.ceil((24 + nameLength) / 8) * 8;
  }
  return entries;
}
