import type { Fault } from "./fault.ts";

/** One of all faults that a client can know for one; those that cost a time limit are rare. */
export function randomFault(random: (below: number) => number): Fault {
  const after = random(3) === 0 ? {} : { after: random(200_000) };
  const statuses = [408, 416, 429, 500, 502, 503, 504];
  switch (random(13)) {
    case 0:
      return random(6) === 0 ? { kind: "stall", ...after } : { kind: "slow", ms: random(40) };
    case 1:
    case 2:
      return { kind: "reset", ...after };
    case 3:
    case 4:
      return { kind: "truncate", after: random(200_000) };
    case 5:
      return { kind: "short" };
    case 6:
      return { kind: "status", status: statuses[random(statuses.length)] ?? 500 };
    case 7:
      return { kind: "status", status: 429, headers: { "retry-after": String(random(2)) } };
    case 8:
      return { kind: "whole" };
    case 9:
      return { kind: "page" };
    case 10:
      return { kind: "wrong-range" };
    case 11:
      return random(2) === 0 ? { kind: "multipart" } : { kind: "encoded" };
    default:
      return { kind: "endless" };
  }
}
