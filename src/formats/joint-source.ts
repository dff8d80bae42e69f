import type { ByteRange } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";

/** Ranges that are asked for together; more of them are asked for at the same time, so that the first are not waited for by all. */
const CALL_BYTES = 16 * 1024 * 1024;

interface Ask {
  readonly ranges: readonly ByteRange[];
  readonly options: ReadOptions | undefined;
  readonly answer: (bytes: readonly Uint8Array[]) => void;
  readonly fail: (error: unknown) => void;
}

/** A source whose `readMany` calls of one turn of the event loop are one call of it, so that it may merge over all their ranges. */
export function jointSource(source: RangeSource): RangeSource {
  let asks: Ask[] = [];
  const send = (): void => {
    const all = asks;
    asks = [];
    for (const call of calls(all)) void sendJointly(source, call);
  };
  return {
    id: source.id,
    size: source.size,
    read: (range, options) => source.read(range, options),
    readMany: (ranges, options) =>
      new Promise((answer, fail) => {
        if (asks.length === 0) setImmediate(send);
        asks.push({ ranges, options, answer, fail });
      }),
  };
}

/** Those of one reader, in order, cut into calls of not too many bytes. */
function calls(asks: readonly Ask[]): readonly (readonly Ask[])[] {
  const out: { readonly asks: Ask[]; bytes: number }[] = [];
  for (const ask of asks) {
    const bytes = ask.ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    const last = out.findLast(({ asks: [first] }) => isOneReader(first?.options, ask.options));
    if (last === undefined || last.bytes + bytes > CALL_BYTES) out.push({ asks: [ask], bytes });
    else {
      last.asks.push(ask);
      last.bytes += bytes;
    }
  }
  return out.map((call) => call.asks);
}

function isOneReader(a: ReadOptions | undefined, b: ReadOptions | undefined): boolean {
  return a?.signal === b?.signal && a?.priority === b?.priority;
}

async function sendJointly(source: RangeSource, asks: readonly Ask[]): Promise<void> {
  try {
    const ranges = asks.flatMap((ask) => ask.ranges);
    const read = await source.readMany(ranges, asks[0]?.options);
    let next = 0;
    for (const { ranges: own, answer } of asks) answer(read.slice(next, (next += own.length)));
  } catch (error) {
    for (const { fail } of asks) fail(error);
  }
}
