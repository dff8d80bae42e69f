import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { RiffleError } from "../errors.ts";
import { checkPrivateDirectory, ensurePrivateDirectory } from "./private-directory.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** What is known of a mount without asking its process. */
export interface SessionState {
  /** Version of the control protocol that the process speaks. */
  readonly protocol: number;
  readonly mountpoint: string;
  readonly process: ProcessIdentity;
  /** The process lives for this mount alone: it ends with it, and may be killed when it does not. */
  readonly dedicated: boolean;
  readonly reference: string;
  readonly digest: string;
  readonly backend: string;
  /** `major:minor` of the mounted file system, as in `/proc/self/mountinfo`. */
  readonly device: string;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly socket: string;
  readonly log?: string;
  /** A temporary directory around the mountpoint that goes with the mount (`riffle run`). */
  readonly privateDirectory?: string;
}

export interface StoredSession {
  readonly file: string;
  readonly state: SessionState;
}

const FILE_NAME = /^session-[0-9]+-[0-9]+-[0-9]+\.json$/;
const MAX_FILE_BYTES = 64 * 1024;
const MAX_FILES = 4096;

/** Writes the file of a mount under its own name at once, readable by this user alone; returns its path. */
export function writeSessionState(directory: string, state: SessionState): string {
  ensurePrivateDirectory(directory);
  const name = `session-${state.process.pid}-${state.device.replace(":", "-")}.json`;
  const file = join(directory, name);
  const draft = join(directory, `.${name}.${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(draft, `${JSON.stringify(state)}\n`, { mode: 0o600, flag: "wx" });
    renameSync(draft, file);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw new RiffleError("disk", `cannot write session state ${file}`, { cause });
  }
  return file;
}

export function removeSessionState(file: string): void {
  rmSync(file, { force: true });
}

/**
 * All readable state files, oldest mount first. Files of others, oversized and malformed ones are left out: they never
 * make a command fail. Throws `permission` when the directory itself must not be trusted.
 */
export function readSessionStates(directory: string): readonly StoredSession[] {
  if (!checkPrivateDirectory(directory)) return [];
  const names = readdirSync(directory).filter((name) => FILE_NAME.test(name));
  const found: StoredSession[] = [];
  for (const name of names.slice(0, MAX_FILES)) {
    const file = join(directory, name);
    const state = readSessionState(file);
    if (state !== undefined) found.push({ file, state });
  }
  return found.sort((a, b) => (a.state.since < b.state.since ? -1 : a.state.since > b.state.since ? 1 : 0));
}

/** Drafts of processes that were killed while they wrote. */
export function removeDrafts(directory: string, isRunning: (pid: number) => boolean): void {
  if (!checkPrivateDirectory(directory)) return;
  for (const name of readdirSync(directory)) {
    const pid = /^\.session-([0-9]+)-[0-9]+-[0-9]+\.json\.[0-9a-f]+$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(directory, name), { force: true });
  }
}

/** Undefined for a file that is missing, not ours, open to others, too large or not of this form. */
export function readSessionState(file: string): SessionState | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    const ours = stat.isFile() && stat.uid === (process.getuid?.() ?? 0) && (stat.mode & 0o077) === 0;
    return ours && stat.size <= MAX_FILE_BYTES ? parseSessionState(readFileSync(fd, "utf8")) : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

export function parseSessionState(text: string): SessionState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || !isRecord(value["process"])) return undefined;
  const process = value["process"];
  const strings = ["mountpoint", "reference", "digest", "backend", "since"].every((key) => isShortText(value[key]));
  const paths = ["log", "privateDirectory"].every((key) => value[key] === undefined || isAbsolute(value[key]));
  const sound =
    strings &&
    paths &&
    isAbsolute(value["mountpoint"]) &&
    isAbsolute(value["socket"]) &&
    typeof value["protocol"] === "number" &&
    typeof value["dedicated"] === "boolean" &&
    /^[0-9]+:[0-9]+$/.test(String(value["device"])) &&
    Number.isSafeInteger(process["pid"]) &&
    Number(process["pid"]) > 1 &&
    isShortText(process["start"]) &&
    isShortText(process["world"]);
  // Every member was checked above.
  return sound ? (value as unknown as SessionState) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShortText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 8192;
}

function isAbsolute(value: unknown): boolean {
  return isShortText(value) && value.startsWith("/") && !value.includes("\0");
}
