import type { Census } from "./census.ts";
import type { CycleResult } from "./cycles.ts";
import type { StormResult } from "./storm.ts";

/** What was found after everything had been unmounted. */
export interface Left {
  readonly processes: readonly number[];
  readonly mounts: readonly string[];
  /** Sockets and state files of sessions. */
  readonly sockets: readonly string[];
  readonly temporary: readonly string[];
}

const MIB = 1024 * 1024;
const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
const line = (name: string, value: string | number): string => `  ${name.padEnd(26)} ${value}`;

/** A daemon that was read through for a minute keeps buffers; more than this over it is a leak. */
const RSS_GROWTH_BYTES = 96 * MIB;
const RSS_MOST_BYTES = 300 * MIB;
/** The pool of connections breathes. */
const SOCKET_SLACK = 4;

function growth(early: Census, late: Census): readonly string[] {
  return [
    line("descriptors", `${early.descriptors} -> ${late.descriptors}`),
    line("of them sockets", `${early.sockets} -> ${late.sockets}`),
    line("deleted files held", `${early.deleted} -> ${late.deleted}`),
    line("threads", `${early.threads} -> ${late.threads}`),
    line("resident memory", `${mib(early.rssBytes)} -> ${mib(late.rssBytes)}`),
  ];
}

export function stormLines(result: StormResult): readonly string[] {
  const { slots, failed, faults } = result;
  const kinds = [...faults].map(([kind, count]) => `${kind} ${count}`).sort();
  const failures = Object.entries(failed).map(([code, count]) => `${code} ${count}`);
  const injected = [...faults.values()].reduce((sum, count) => sum + count, 0);
  return [
    "",
    "readers under a faulty link",
    line("reads", result.reads),
    line("listings and stats", result.lists + result.stats),
    line("bytes read and compared", mib(result.bytes)),
    line("wrong bytes", result.wrong),
    line("failed calls", failures.join(", ") || 0),
    line("slowest call", `${Math.round(result.slowestMs)} ms`),
    line("requests", result.exchanges),
    line("faults injected", `${injected} (${kinds.join(", ")})`),
    line("mounts", `${slots.mounts}, and ${slots.refused} refused by the link`),
    line("unmounts", `${slots.unmounts}, lazy ${slots.lazy}, refused as busy ${slots.busy}`),
    line("daemons killed", slots.kills),
    "the daemon that lived throughout",
    ...growth(result.early, result.late),
  ];
}

export function leftLines(left: Left): readonly string[] {
  return [
    "left behind",
    line("processes", left.processes.length),
    line("mounts", left.mounts.length),
    line("sockets and state files", left.sockets.length),
    line("temporary files", left.temporary.length),
  ];
}

export function stormViolations(result: StormResult, left: Left): readonly string[] {
  const { early, late } = result;
  return [
    ...result.violations,
    ...(result.wrong > 0 ? [`${result.wrong} wrong bytes`] : []),
    ...(late.sockets > early.sockets + SOCKET_SLACK ? [`sockets grew from ${early.sockets} to ${late.sockets}`] : []),
    ...(late.deleted > early.deleted ? [`deleted files held grew from ${early.deleted} to ${late.deleted}`] : []),
    ...(late.threads > early.threads ? [`threads grew from ${early.threads} to ${late.threads}`] : []),
    ...(late.rssBytes > early.rssBytes + RSS_GROWTH_BYTES || late.rssBytes > RSS_MOST_BYTES
      ? [`resident memory grew from ${mib(early.rssBytes)} to ${mib(late.rssBytes)}`]
      : []),
    ...Object.entries(left).flatMap(([what, found]: [string, readonly unknown[]]) =>
      found.length > 0 ? [`${what} left: ${found.join(" ")}`] : [],
    ),
  ];
}

export function cycleLines(result: CycleResult): readonly string[] {
  return [
    "",
    "mounts and unmounts by the library in one process",
    line("cycles", result.cycles),
    line("reads", `${result.reads}, failed ${result.failed}`),
    line("wrong bytes", result.wrong),
    ...growth(result.early, result.late),
    line("live memory", `${mib(result.earlyHeapBytes)} -> ${mib(result.lateHeapBytes)}`),
    line("mounts left", result.mountsLeft.length),
    line("temporary files left", result.temporaryLeft.length),
  ];
}
