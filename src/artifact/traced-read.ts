import { rangeLength, type ByteRange } from "../bytes/range.ts";
import { isRiffleError } from "../errors.ts";
import { milliseconds, type Trace } from "../fetch/trace.ts";

/** Told how many bytes of a read were not there when it was asked. */
export type Missed = (bytes: number) => void;

export interface TracedReadOf {
  readonly path: string;
  readonly range: ByteRange;
  readonly handle: number;
}

/** Gives a read its number, and tells the trace how it ended. */
export async function tracedRead(
  trace: Trace,
  { path, range, handle }: TracedReadOf,
  read: (id: number, missed: Missed) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const id = trace.nextId();
  const begun = trace.now();
  let missedBytes = 0;
  const tell = (bytes: number, failure: { readonly error?: string; readonly errno?: string }): void => {
    trace.write({
      type: "read",
      id,
      path,
      ...range,
      handle,
      ms: milliseconds(trace.now() - begun),
      bytes,
      missed: missedBytes,
      from: missedBytes > 0 ? "fetch" : "cache",
      ...failure,
    });
  };
  try {
    const bytes = await read(id, (count) => (missedBytes = count));
    tell(bytes.length, {});
    return bytes;
  } catch (thrown) {
    // What failed was not there.
    missedBytes = rangeLength(range);
    const errno = trace.errnoOf(thrown);
    tell(0, { error: isRiffleError(thrown) ? thrown.code : "internal", ...(errno === undefined ? {} : { errno }) });
    throw thrown;
  }
}
