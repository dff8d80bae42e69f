import { noise } from "../content.ts";
import type { ErrorCode } from "../../../src/errors.ts";
import type { Fault } from "./fault.ts";
import type { AskedBytes, FaultyFile } from "./faulty-registry.ts";

/** The time limit of the tests, and what a reader on a loaded machine may take beyond it to see its error. */
export const LIMIT_MS = 2000;
export const LATE_MS: number = 2 * LIMIT_MS;

/** What is read of each file: inside it, so that both sides of it could be taken for it. */
export const ASKED = { start: 262_144, end: 524_288 } as const;
const FILE_BYTES = 786_432 + 777;

export interface FaultRow {
  readonly name: string;
  readonly fault: (before: number) => Fault | undefined;
  /** `right`: the bytes; else the codes that the read may fail with. */
  readonly sees: "right" | readonly ErrorCode[];
  /** Where a second request in good time saves the reader, it may see the right bytes. */
  readonly mayBeRight?: boolean;
  /** Most requests for bytes until the reader has its answer. */
  readonly requests: number;
}

const once =
  (fault: Fault) =>
  (before: number): Fault | undefined =>
    before === 0 ? fault : undefined;
const always = (fault: Fault) => (): Fault => fault;

/** A failure of the link: a request is tried again, five times in all, and a connection that was kept is given another chance. */
const TRIES = 10;

export const FAULT_TABLE: readonly FaultRow[] = [
  { name: "reset before the headers, once", fault: once({ kind: "reset" }), sees: "right", requests: 3 },
  {
    name: "reset before the headers, always",
    fault: always({ kind: "reset" }),
    sees: ["unreachable"],
    requests: TRIES,
  },
  { name: "reset in the body, once", fault: once({ kind: "reset", after: 100_000 }), sees: "right", requests: 3 },
  {
    name: "reset in the body, always",
    fault: always({ kind: "reset", after: 9000 }),
    sees: ["unreachable"],
    requests: TRIES,
  },
  {
    name: "stalled before the headers, once",
    fault: once({ kind: "stall" }),
    sees: ["timeout"],
    mayBeRight: true,
    requests: 4,
  },
  { name: "stalled before the headers, always", fault: always({ kind: "stall" }), sees: ["timeout"], requests: TRIES },
  {
    name: "stalled in the body, once",
    fault: once({ kind: "stall", after: 100_000 }),
    sees: ["timeout"],
    mayBeRight: true,
    requests: 4,
  },
  {
    name: "stalled in the body, always",
    fault: always({ kind: "stall", after: 9000 }),
    sees: ["timeout"],
    requests: TRIES,
  },
  { name: "cut short, once", fault: once({ kind: "truncate", after: 100_000 }), sees: "right", requests: 3 },
  {
    name: "cut short, always",
    fault: always({ kind: "truncate", after: 9000 }),
    sees: ["unreachable"],
    requests: TRIES,
  },
  {
    name: "cut short three times, each behind some progress",
    fault: (before) => (before < 3 ? { kind: "truncate", after: 60_000 } : undefined),
    sees: "right",
    requests: 5,
  },
  { name: "of the wrong length", fault: always({ kind: "short" }), sees: ["misbehaved"], requests: 1 },
  { name: "of the wrong range", fault: always({ kind: "wrong-range" }), sees: ["misbehaved"], requests: 1 },
  { name: "200 with the whole blob, once", fault: once({ kind: "whole" }), sees: "right", requests: 2 },
  { name: "200 with the whole blob, always", fault: always({ kind: "whole" }), sees: "right", requests: 2 },
  { name: "416", fault: always({ kind: "status", status: 416 }), sees: ["verification"], requests: 1 },
  { name: "404", fault: always({ kind: "status", status: 404 }), sees: ["not-found"], requests: 1 },
  { name: "403", fault: always({ kind: "status", status: 403 }), sees: ["credentials"], requests: 1 },
  {
    name: "429 with Retry-After, once",
    fault: once({ kind: "status", status: 429, headers: { "retry-after": "1" } }),
    sees: "right",
    requests: 2,
  },
  {
    name: "429 with Retry-After, always",
    fault: always({ kind: "status", status: 429, headers: { "retry-after": "1" } }),
    sees: ["misbehaved"],
    requests: 3,
  },
  {
    name: "429 with a Retry-After of an hour",
    fault: always({ kind: "status", status: 429, headers: { "retry-after": "3600" } }),
    sees: ["misbehaved"],
    requests: 1,
  },
  { name: "500, once", fault: once({ kind: "status", status: 500 }), sees: "right", requests: 2 },
  { name: "500, always", fault: always({ kind: "status", status: 500 }), sees: ["misbehaved"], requests: 5 },
  { name: "503, once", fault: once({ kind: "status", status: 503 }), sees: "right", requests: 2 },
  { name: "503, always", fault: always({ kind: "status", status: 503 }), sees: ["misbehaved"], requests: 5 },
  { name: "a web page", fault: always({ kind: "page" }), sees: ["misbehaved"], requests: 1 },
  { name: "in several parts", fault: always({ kind: "multipart" }), sees: ["misbehaved"], requests: 1 },
  { name: "encoded, unasked", fault: always({ kind: "encoded" }), sees: ["misbehaved"], requests: 1 },
  {
    name: "without an end",
    fault: always({ kind: "endless" }),
    sees: ["misbehaved"],
    mayBeRight: true,
    requests: 5,
  },
  { name: "slow, once", fault: once({ kind: "slow", ms: 300 }), sees: "right", requests: 2 },
];

/** A name that a file can have, for a row. */
export function titleOf(row: FaultRow): string {
  return `${row.name.replaceAll(/\W+/g, "-")}.bin`;
}

/** One file for each row, none like another, and one that nothing befalls. */
export const HEALTHY = "healthy.bin";
export function faultFiles(): readonly FaultyFile[] {
  const titles = [...FAULT_TABLE.map(titleOf), HEALTHY];
  return titles.map((title, seed) => ({ title, bytes: noise(100 + seed, { start: 0, end: FILE_BYTES }) }));
}

/** The faults of the table for its files; a file in `healed` has none any more. */
export function tableFault(healed: ReadonlySet<string>): (asked: AskedBytes) => Fault | undefined {
  const byTitle = new Map(FAULT_TABLE.map((row) => [titleOf(row), row]));
  return ({ title, before }) => (healed.has(title) ? undefined : byTitle.get(title)?.fault(before));
}
