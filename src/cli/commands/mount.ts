import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { ArtifactStats } from "../../artifact/accounting.ts";
import { spawnDaemon } from "../../mount/spawn-daemon.ts";
import { runForeground } from "../../mount/end-by-signal.ts";
import type { Context, Flags, Run } from "../command.ts";
import type { DaemonOrder } from "../daemon-main.ts";
import { mountArtifact, type MountOrder } from "../mount-artifact.ts";
import { absoluteReference, isCovering, mountWords } from "../mount-words.ts";
import { openOrderOf, unpackOf } from "../open.ts";
import { formatBytes } from "../quantities.ts";
import { warningText } from "../warnings.ts";

/** The daemon's own waits end first, with a better reason than ours would be. */
const GRACE_MS = 2000;

interface Announcement {
  /** Whether there was something in the directory before. */
  readonly covers: boolean;
  readonly context: Context;
}

function mountedText(stats: ArtifactStats): string {
  const files = `${stats.files} ${stats.files === 1 ? "file" : "files"}, ${formatBytes(stats.size)}`;
  return `mounted ${stats.reference} at ${stats.mountpoint ?? ""} (${files}, ${stats.backend ?? ""} backend)`;
}

async function announce(stats: ArtifactStats, { covers, context }: Announcement): Promise<void> {
  const { out, settings } = context;
  if (covers) context.log("warn", `${stats.mountpoint ?? ""} is not empty: the mount hides what it holds`);
  await out.line(settings.json ? JSON.stringify(stats) : mountedText(stats));
  await out.flush();
}

async function stay(order: MountOrder, announcement: Announcement): Promise<number> {
  const { context } = announcement;
  const mount = await mountArtifact(order, context);
  for (const warning of mount.artifact.warnings) context.log("warn", warningText(warning));
  const { mounted } = mount.session;
  const release = context.takeSignals(() => undefined);
  const ended = runForeground(
    { unmount: (options) => mounted.unmount(options), close: () => mounted.close(), ended: mount.ended },
    context.log,
  );
  try {
    await announce(mount.stats(), announcement);
  } catch {
    // Nobody reads what we say; the mount is there all the same.
  }
  const reason = await ended;
  release();
  return reason === "failed" ? 1 : 0;
}

async function leave(order: MountOrder, announcement: Announcement): Promise<number> {
  const { context } = announcement;
  const { settings, places, environment } = context;
  const own = settings.logFile === undefined;
  const path = settings.logFile ?? join(places.stateDir, "logs", `mount-${randomBytes(6).toString("hex")}.log`);
  const daemonOrder: DaemonOrder = {
    mount: { ...order, logPath: path },
    log: { path, own },
    verbose: settings.verbose,
  };
  const daemon = await spawnDaemon({
    entry: new URL("../daemon-main.js", import.meta.url),
    payload: daemonOrder,
    timeoutMs: settings.timeoutMs + GRACE_MS,
    signal: context.signal,
    onNotice: context.log,
    environment,
  });
  // Made by our own daemon's `stats`.
  await announce(daemon.session as ArtifactStats, announcement);
  return 0;
}

export async function mountOrderOf(
  reference: string,
  flags: Flags,
  context: Context,
): Promise<Omit<MountOrder, "mountpoint">> {
  const { places, cwd } = context;
  const subpath = flags.text("subpath");
  const words = mountWords(flags);
  const open = await openOrderOf(context, absoluteReference(reference, cwd), {
    include: flags.list("include"),
    exclude: flags.list("exclude"),
    frugal: flags.on("frugal"),
    prefetch: context.settings.prefetch,
    unpack: unpackOf(flags),
    ...(subpath !== undefined && { subpath }),
  });
  return { words, open, runtimeDir: places.runtimeDir };
}

export const run: Run = async ([reference = "", directory = ""], flags, context) => {
  const mountpoint = resolve(context.cwd, directory);
  const order: MountOrder = { ...(await mountOrderOf(reference, flags, context)), mountpoint };
  const announcement = { covers: isCovering(mountpoint), context };
  return flags.on("foreground") ? stay(order, announcement) : leave(order, announcement);
};
