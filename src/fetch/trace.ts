import { AsyncLocalStorage } from "node:async_hooks";
import type { ByteRange } from "../bytes/range.ts";
import type { Priority } from "../bytes/source.ts";
import type { RequestKind } from "./http.ts";

/** One read by a program. docs/TRACE.md says what each member means; lines hold them in this order. */
export interface ReadEvent {
  readonly type: "read";
  readonly id: number;
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly handle: number;
  readonly ms: number;
  readonly bytes: number;
  readonly missed: number;
  readonly from: "cache" | "fetch";
  readonly error?: string;
  readonly errno?: string;
}

/** One HTTP request, told when its answer is over. */
export interface RequestEvent {
  readonly type: "request";
  readonly id: number;
  readonly reads: readonly number[];
  readonly kind: RequestKind;
  readonly method: string;
  readonly host: string;
  readonly path?: string;
  readonly digest?: string;
  readonly range?: string;
  readonly priority?: Priority;
  readonly status?: number;
  readonly bytes: number;
  readonly ms: number;
  readonly totalMs: number;
  readonly error?: string;
}

export interface StartEvent {
  readonly type: "start";
  readonly version: 1;
  readonly time: string;
  readonly reference: string;
  readonly pid: number;
}

export type TraceEvent = StartEvent | ReadEvent | RequestEvent;

/** For whom a request for blob bytes is sent. */
export interface Purpose {
  readonly digest: string;
  readonly range: ByteRange;
  /** Asked when the request is over: reads may join it while it runs. */
  readonly reads: () => readonly number[];
  readonly priority: () => Priority;
}

export interface TraceOptions {
  /** Takes each event with its time: milliseconds since the trace began. Must not throw. */
  readonly write: (t: number, event: TraceEvent) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** The name of the errno that a failed read becomes; absent where there are none. */
  readonly errnoOf?: (error: unknown) => string;
}

/** Numbers reads and requests, and joins them: what is sent within `during` is sent for its purpose. */
export class Trace {
  readonly #options: TraceOptions;
  readonly #purposes = new AsyncLocalStorage<Purpose>();
  readonly #begun: number;
  #last = 0;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#begun = this.now();
  }

  now(): number {
    return (this.#options.now ?? ((): number => performance.now()))();
  }

  /** Unlike any other of this trace. */
  nextId(): number {
    return (this.#last += 1);
  }

  during<T>(purpose: Purpose, work: () => T): T {
    return this.#purposes.run(purpose, work);
  }

  get purpose(): Purpose | undefined {
    return this.#purposes.getStore();
  }

  errnoOf(error: unknown): string | undefined {
    return this.#options.errnoOf?.(error);
  }

  write(event: TraceEvent): void {
    this.#options.write(milliseconds(this.now() - this.#begun), event);
  }
}

/** Three decimals: microseconds. */
export function milliseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
