import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasProgram, run, runWell } from "../test/support/processes.ts";
import type { Bench } from "./context.ts";
import { median, repeat, type PeerRow } from "./scenario.ts";

/** Another mount of the plain files of an artifact. */
interface PeerMount {
  readonly name: string;
  readonly program: string;
  readonly args: (urls: {
    readonly folder: string;
    readonly file: string;
    readonly mountpoint: string;
    readonly cache: string;
  }) => readonly string[];
}

const rclone = (name: string, flags: readonly string[]): PeerMount => ({
  name,
  program: "rclone",
  args: ({ folder, mountpoint, cache }) => [
    "mount",
    ":http:",
    mountpoint,
    "--http-url",
    folder,
    "--read-only",
    "--cache-dir",
    cache,
    ...flags,
  ],
});

const MOUNTS: readonly PeerMount[] = [
  rclone("rclone off", ["--vfs-cache-mode", "off"]),
  rclone("rclone full", ["--vfs-cache-mode", "full"]),
  rclone("rclone full 1M", ["--vfs-cache-mode", "full", "--vfs-read-chunk-size", "1M", "--buffer-size", "0"]),
  { name: "httpfs2", program: "httpfs2", args: ({ file, mountpoint }) => ["-f", file, mountpoint] },
];

const READY_TRIES = 200;

/** Mounts, reads once with `read`, takes everything down; undefined when the peer could not do it. */
async function once(
  bench: Bench,
  peer: PeerMount,
  work: { readonly name: string; readonly title: string; readonly read: (folder: string) => Promise<number> },
): Promise<PeerRow | undefined> {
  const folder = `${bench.registry.url}/files/${work.name}/`;
  const mountpoint = bench.freshFolder();
  await bench.registry.reset();
  const args = peer.args({ folder, file: `${folder}${work.title}`, mountpoint, cache: bench.freshFolder() });
  const daemon = spawn(peer.program, args, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => {
    daemon.once("exit", () => resolve());
    daemon.once("error", () => resolve());
  });
  try {
    for (let tries = 0; !readdirSync(mountpoint).includes(work.title); tries += 1) {
      if (tries === READY_TRIES || daemon.exitCode !== null) return undefined;
      await sleep(25);
    }
    const ms = await work.read(mountpoint);
    await run("fusermount3", ["-u", mountpoint]);
    await Promise.race([ended, sleep(5000)]);
    const { requests, bytes } = await bench.registry.counters();
    return { name: peer.name, ms, requests, bytes };
  } catch {
    return undefined;
  } finally {
    await run("fusermount3", ["-uz", mountpoint]);
    if (daemon.exitCode === null) daemon.kill("SIGTERM");
    await Promise.race([ended, sleep(2000)]);
    if (daemon.exitCode === null) daemon.kill("SIGKILL");
  }
}

function medianRow(name: string, rows: readonly (PeerRow | undefined)[]): readonly PeerRow[] {
  const good = rows.filter((row) => row !== undefined);
  if (good.length === 0) return [];
  return [
    {
      name,
      ms: median(good.map(({ ms }) => ms)),
      requests: median(good.map(({ requests }) => requests)),
      bytes: median(good.map(({ bytes }) => bytes)),
    },
  ];
}

/** Every installed peer at the work of a scenario, on the same link; nothing without `--peers`. */
export async function measurePeers(
  bench: Bench,
  name: string,
  read: (folder: string) => Promise<number>,
): Promise<readonly PeerRow[]> {
  if (!bench.peers) return [];
  const rows: PeerRow[] = [];
  const listing = await (await fetch(`${bench.registry.url}/files/${name}/`)).text();
  const title = /<a href="([^"]+)"/.exec(listing)?.[1];
  if (title === undefined) return [];
  for (const peer of MOUNTS.filter(({ program }) => hasProgram(program)))
    rows.push(...medianRow(peer.name, await repeat(bench.runs, () => once(bench, peer, { name, title, read }))));
  return rows;
}

/** GDAL's own way to a remote file, as it comes and as its manual tunes it. */
export async function vsicurl(
  bench: Bench,
  file: string,
  read: (path: string, config: readonly string[]) => Promise<number>,
): Promise<readonly PeerRow[]> {
  if (!bench.peers) return [];
  const rows: PeerRow[] = [];
  const tuned = [
    "--config",
    "GDAL_DISABLE_READDIR_ON_OPEN",
    "EMPTY_DIR",
    "--config",
    "GDAL_INGESTED_BYTES_AT_OPEN",
    "32768",
  ];
  for (const [name, config] of [
    ["vsicurl", []],
    ["vsicurl tuned", tuned],
  ] as const) {
    const samples = await repeat(bench.runs, async () => {
      await bench.registry.reset();
      const ms = await read(`/vsicurl/${bench.registry.url}/files/${file}`, config);
      const { requests, bytes } = await bench.registry.counters();
      return { name, ms, requests, bytes };
    });
    rows.push(...medianRow(name, samples));
  }
  return rows;
}

const tools = (): string =>
  process.env["RIFFLE_TOOLS_DIR"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "riffle-tools");

function installed(name: string): string | undefined {
  if (hasProgram(name)) return name;
  const built = join(tools(), "go/bin", name);
  return existsSync(built) ? built : undefined;
}

/** Registry clients that fetch all of an artifact. */
export async function fullPulls(bench: Bench, reference: string): Promise<readonly PeerRow[]> {
  if (!bench.peers) return [];
  const ways: readonly (readonly [string, (out: string) => readonly string[]])[] = [
    ["oras", (out) => ["pull", "--plain-http", "-o", out, reference]],
    ["crane", (out) => ["pull", "--insecure", "--format", "oci", reference, join(out, "layout")]],
    ["skopeo", (out) => ["copy", "--src-tls-verify=false", `docker://${reference}`, `oci:${out}/layout:v1`]],
  ];
  const rows: PeerRow[] = [];
  for (const [name, args] of ways) {
    const program = installed(name);
    if (program === undefined) continue;
    const samples = await repeat(bench.runs, async () => {
      await bench.registry.reset();
      const { ms } = await runWell(program, args(bench.freshFolder()), { timeoutMs: 900_000 });
      const { requests, bytes } = await bench.registry.counters();
      return { name: `full pull, ${name}`, ms, requests, bytes };
    });
    rows.push(...medianRow(`full pull, ${name}`, samples));
  }
  return rows;
}
