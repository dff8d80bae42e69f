import { constants } from "node:os";
import { NONE, ROW_LIVE, S_IFDIR, S_IFREG, type Row } from "../layers/tree.ts";
import { DEFERRED, done, fail, NO_REPLY, type Exchange, type Handler, type HandlerOptions } from "./exchange.ts";
import { answerMetadata, answerStatfs } from "./metadata.ts";
import { getU32, getU64, IN_HEADER_BYTES, MAX_READ_BYTES, OP, OUT_HEADER_BYTES, READ_IN_BYTES } from "./protocol.ts";
import { isWithoutReply, refusal } from "./refusals.ts";
import { rowOf, TYPE_BITS } from "./tree-view.ts";

const { errno } = constants;

/** Allocates once; `handle` allocates nothing for a warm read. */
export function createHandler(options: HandlerOptions): Handler {
  const exchange: Exchange = {
    ...options,
    input: viewOf(options.request),
    out: viewOf(options.reply),
    asked: { row: NONE, start: 0, end: 0, handle: 0, crossed: false },
    warmResult: { bytes: -1, crossed: false, proven: false },
  };
  return { handle: (length) => answer(exchange, length), asked: exchange.asked };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function answer(exchange: Exchange, received: number): number {
  const { input } = exchange;
  if (received < IN_HEADER_BYTES || received > exchange.request.length) return NO_REPLY;
  const opcode = getU32(input, 4);
  if (isWithoutReply(opcode)) return NO_REPLY;
  if (getU32(input, 0) !== received) return fail(exchange, errno.EIO);
  const row = rowOf(exchange.view, getU64(input, 16));
  switch (opcode) {
    case OP.READ:
      return row === NONE ? fail(exchange, errno.ESTALE) : answerRead(exchange, row, received);
    case OP.OPEN:
      return row === NONE ? fail(exchange, errno.ESTALE) : DEFERRED;
    case OP.RELEASE:
    case OP.INTERRUPT:
      return DEFERRED;
    case OP.STATFS:
      return answerStatfs(exchange);
    case OP.RELEASEDIR:
    case OP.DESTROY:
      return done(exchange, 0);
    case OP.LOOKUP:
    case OP.GETATTR:
    case OP.READLINK:
    case OP.READDIR:
    case OP.READDIRPLUS:
    case OP.GETXATTR:
    case OP.LISTXATTR:
      return row === NONE ? fail(exchange, errno.ESTALE) : answerMetadata(exchange, { opcode, row, received });
    default:
      return fail(exchange, refusal(opcode));
  }
}

function answerRead(exchange: Exchange, row: Row, received: number): number {
  const { input, asked, warm, warmResult, counters } = exchange;
  const { tree } = exchange.view;
  const type = tree.mode(row) & TYPE_BITS;
  if (type !== S_IFREG) return fail(exchange, type === S_IFDIR ? errno.EISDIR : errno.EINVAL);
  if (received < IN_HEADER_BYTES + READ_IN_BYTES) return fail(exchange, errno.EINVAL);
  const start = getU64(input, IN_HEADER_BYTES + 8);
  const wanted = getU32(input, IN_HEADER_BYTES + 16);
  if (wanted > MAX_READ_BYTES || !Number.isSafeInteger(start)) return fail(exchange, errno.EINVAL);
  const live = (tree.flags(row) & ROW_LIVE) !== 0;
  asked.row = row;
  asked.start = start;
  asked.end = live ? start + wanted : Math.min(start + wanted, tree.size(row));
  asked.handle = getU64(input, IN_HEADER_BYTES);
  asked.crossed = false;
  if (live) return DEFERRED;
  if (asked.end <= start) return done(exchange, 0);
  const source = tree.source(row);
  const slot = warm === undefined || source >= warm.slots.length ? 0 : (warm.slots[source] ?? 0);
  if (warm === undefined || slot === 0) return DEFERRED;
  const length = asked.end - start;
  warm.reader.read(slot, tree.offset(row) + start, length, exchange.reply, OUT_HEADER_BYTES, warmResult);
  if (warmResult.bytes !== length) return DEFERRED;
  asked.crossed = warmResult.crossed;
  if (counters !== undefined) countWarm(counters, length, warmResult.proven);
  return done(exchange, length);
}

/** One thread writes each array; others may read it a moment late. */
function countWarm(counters: Float64Array, bytes: number, proven: boolean): void {
  counters[0] = (counters[0] ?? 0) + 1;
  counters[1] = (counters[1] ?? 0) + bytes;
  counters[2] = (counters[2] ?? 0) + bytes;
  if (proven) counters[3] = (counters[3] ?? 0) + bytes;
}
