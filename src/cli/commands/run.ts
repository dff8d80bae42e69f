import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { RiffleError } from "../../errors.ts";
import { makePrivateMountpoint, removePrivateMountpoint } from "../../mount/private-mount.ts";
import type { ArtifactStats } from "../../artifact/accounting.ts";
import { findProgram } from "../checks/machine.ts";
import type { Context, Run } from "../command.ts";
import { errorJson, errorLine } from "../exit.ts";
import { mountArtifact, type ArtifactMount } from "../mount-artifact.ts";
import { formatBytes, formatCount } from "../quantities.ts";
import { mountOrderOf } from "./mount.ts";
import { warningText } from "../warnings.ts";

const NOT_FOUND = 127;

/**
 * Enters the mount and becomes the command. This process may not do so itself: between fork and exec it stands still, and
 * the mount that it serves with it.
 */
const ENTER = `cd "$RIFFLE_MOUNT" || exit 125
case $1 in
*/*)
  [ -e "$1" ] || { printf 'riffle: run: there is no command "%s" (check the path)\\n' "$1" >&2; exit 127; }
  [ -f "$1" ] && [ -x "$1" ] ||
    { printf 'riffle: run: "%s" cannot be executed (it needs mode x, and must be a file)\\n' "$1" >&2; exit 126; }
esac
exec "$@"`;

/** INTERFACE: every `{}` in an argument is the mount's path. */
export function fillIn(words: readonly string[], mountpoint: string): readonly string[] {
  return words.map((word) => word.replaceAll("{}", () => mountpoint));
}

/** A terminal sends Ctrl-C to the whole foreground group: the command has it already (proc(5), `stat`: pgrp and tpgid). */
function isForeground(): boolean {
  try {
    const fields = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ") ?? [];
    return fields[2] === fields[5];
  } catch {
    return false;
  }
}

/** One line of what a mount has moved. Reads that the kernel answers alone cannot be counted: that is said. */
export function accountingText(stats: ArtifactStats): string {
  const read = `${formatCount(stats.reads, "read")} of ${formatBytes(stats.bytesRead)}`;
  const alone = stats.passthrough ? " and what the kernel read of whole cached files" : "";
  const fetched = `${formatCount(stats.requests, "request")} for ${formatBytes(stats.bytesFetched)}`;
  const blob = stats.bytesFetchedByKind.blob;
  const ratio = stats.amplification === null ? "" : ` (file bytes: ${formatBytes(blob)}, ${stats.amplification} x)`;
  return `riffle: ${read}${alone}; ${fetched}${ratio}; ${formatCount(stats.errors, "error")}`;
}

/** The command's exit code as a shell tells it. */
function perform(words: readonly string[], mountpoint: string, context: Context): Promise<number> {
  const env = { ...context.environment, RIFFLE_MOUNT: mountpoint };
  const child = spawn("/bin/sh", ["-c", ENTER, "riffle", ...words], { cwd: "/", stdio: "inherit", env });
  const release = context.takeSignals((name) => {
    if (name !== "SIGINT" || !isForeground()) child.kill(name);
  });
  return new Promise<number>((resolve, reject) => {
    child.on("error", (cause) => reject(new RiffleError("machine", "cannot start /bin/sh", { cause })));
    child.on("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
  }).finally(release);
}

/** Also what the command's children still hold open, or someone else does: the mount was made for the command alone. */
async function unmount(mount: ArtifactMount): Promise<void> {
  await mount.session.mounted.close();
  await mount.ended;
}

export const run: Run = async ([reference = "", ...command], flags, context) => {
  const { settings, notes, signal, environment } = context;
  const [program = ""] = command;
  const order = await mountOrderOf(reference, flags, context);
  if (
    !program.includes("/") &&
    !program.includes("{}") &&
    findProgram(program, environment["PATH"] ?? "") === undefined
  ) {
    const error = new RiffleError("not-found", `there is no command "${program}"`, {
      hint: "check the spelling and PATH",
    });
    if (settings.json) await context.out.line(errorJson(error));
    notes.write(`${errorLine(error, "run")}\n`);
    return NOT_FOUND;
  }
  const temporaryDirectory = environment["TMPDIR"];
  const mountpoint = makePrivateMountpoint(temporaryDirectory === undefined ? {} : { temporaryDirectory });
  let mount: ArtifactMount;
  try {
    mount = await mountArtifact({ ...order, mountpoint, isPrivate: true }, context);
  } catch (error) {
    removePrivateMountpoint(mountpoint);
    throw error;
  }
  let code: number;
  try {
    for (const warning of mount.artifact.warnings) context.log("warn", warningText(warning));
    signal.throwIfAborted();
    const { mountpoint: real } = mount.session.state;
    code = await perform(fillIn(command, real), real, context);
  } finally {
    const stats = mount.stats();
    await unmount(mount);
    if (settings.json) notes.write(`${JSON.stringify(stats)}\n`);
    else if (!settings.quiet) notes.write(`${accountingText(stats)}\n`);
  }
  return code;
};
