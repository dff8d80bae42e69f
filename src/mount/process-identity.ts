import { readFileSync, readlinkSync } from "node:fs";

/** A process that cannot be mistaken for a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and the process's start: field 22 of `/proc/<pid>/stat` (proc(5)). */
  readonly start: string;
  /** The boot and the pid namespace that `pid` belongs to. */
  readonly world: string;
}

/**
 * - `running`: that very process lives
 * - `gone`: it has ended (a zombie too), or its boot has
 * - `elsewhere`: it belongs to another pid namespace, so nothing can be said from here
 */
export type ProcessState = "running" | "gone" | "elsewhere";

export function processIdentity(pid: number): ProcessIdentity | undefined {
  const start = processStart(pid);
  return start === undefined ? undefined : { pid, start, world: processWorld() };
}

export function processState(identity: ProcessIdentity): ProcessState {
  const [boot = "", namespace = ""] = identity.world.split("/");
  const [ourBoot = "", ourNamespace = ""] = processWorld().split("/");
  if (boot !== ourBoot) return "gone";
  if (namespace !== ourNamespace) return "elsewhere";
  return processStart(identity.pid) === identity.start ? "running" : "gone";
}

/** Whether a signal or a debugger stopped it: it will answer nothing until it is let go on. */
export function isStopped(identity: ProcessIdentity): boolean {
  return processState(identity) === "running" && /^[Tt]$/.test(statFields(identity.pid)[0] ?? "");
}

/** Undefined when there is no such process, or nothing but its zombie. */
function processStart(pid: number): string | undefined {
  const fields = statFields(pid);
  const state = fields[0] ?? "";
  const start = fields[19];
  return start === undefined || state === "Z" || state === "X" ? undefined : start;
}

/** From the third field on. The second is the program's name in brackets and may hold anything, brackets too. */
function statFields(pid: number): readonly string[] {
  const text = readOr(`/proc/${pid}/stat`, "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function processWorld(): string {
  const boot = readOr("/proc/sys/kernel/random/boot_id", "unknown").trim();
  let namespace = "unknown";
  try {
    namespace = readlinkSync("/proc/self/ns/pid");
  } catch {
    // Without /proc all processes count as one world.
  }
  return `${boot}/${namespace}`;
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}
