import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import { unmountByTool } from "../../src/mount/unmount-tools.ts";
import { mountObstacle, riffleHome, temporaryFolder } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import { filesBelow, processesOf } from "./census.ts";
import { cycleViolations, mountCycles } from "./cycles.ts";
import type { SoakHome } from "./slot.ts";
import { storm } from "./storm.ts";
import { cycleLines, leftLines, stormLines, stormViolations, type Left } from "./summary.ts";

const USAGE = `usage: npm run soak -- [--minutes N] [--cycles N] [--seed S]

  --minutes N  readers, mounts and a faulty link for N minutes (default 10; 0 for none)
  --cycles N   N mounts and unmounts by the library in one process (default 0)
  --seed S     what is drawn at random (default: the time; it is printed)

examples:
  npm run soak -- --minutes 10
  npm run soak -- --minutes 0 --cycles 10000
  npm run soak -- --minutes 60 --seed 42

Exit code 1: a wrong byte, a leak, or an error that should not have been.`;

const say = (line = ""): void => void process.stdout.write(`${line}\n`);

function leftOf(home: SoakHome): Left {
  return {
    processes: processesOf(home.path).filter((pid) => pid !== process.pid),
    mounts: readMounts()
      .map(({ mountpoint }) => mountpoint)
      .filter((mountpoint) => mountpoint.startsWith(`${home.path}/`)),
    sockets: filesBelow(join(home.path, "run"), () => true),
    temporary: filesBelow(join(home.path, "tmp"), () => true),
  };
}

async function minutes(count: number, seed: number): Promise<readonly string[]> {
  using folder = temporaryFolder("soak");
  const environment = { ...riffleHome(folder), HOME: folder.path, TMPDIR: folder.sub("tmp") };
  const home: SoakHome = { path: folder.path, environment, cacheDir: folder.sub("cache/riffle") };
  const leave = (): void => void remove(home).finally(() => process.exit(130));
  process.once("SIGINT", leave).once("SIGTERM", leave);
  try {
    const result = await storm({ durationMs: count * 60_000, seed, home, say });
    const left = leftOf(home);
    for (const line of [...stormLines(result), ...leftLines(left)]) say(line);
    return stormViolations(result, left);
  } finally {
    process.off("SIGINT", leave).off("SIGTERM", leave);
    await remove(home);
  }
}

/** Whatever state it is in. */
async function remove(home: SoakHome): Promise<void> {
  for (const pid of leftOf(home).processes) process.kill(pid, "SIGKILL");
  for (const mountpoint of leftOf(home).mounts) await unmountByTool(mountpoint, { lazy: true });
  rmSync(home.path, { recursive: true, force: true });
}

async function cycles(count: number): Promise<readonly string[]> {
  using folder = temporaryFolder("soak-cycles");
  await using registry = await spawnRegistry();
  const result = await mountCycles(registry, { cycles: count, folder: folder.path, timeoutMs: 24 * 3_600_000 });
  for (const line of cycleLines(result)) say(line);
  return cycleViolations(result);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      cycles: { type: "string", default: "0" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean", default: false },
    },
  });
  const [cycleCount, seed] = [Number(values.cycles), Number(values.seed)];
  const minuteCount = Number(values.minutes ?? (cycleCount > 0 ? 0 : 10));
  const sound = [minuteCount, cycleCount, seed].every((value) => Number.isFinite(value) && value >= 0);
  if (values.help || !sound) {
    say(USAGE);
    return values.help ? 0 : 2;
  }
  const obstacle = mountObstacle();
  if (obstacle !== undefined) {
    say(`soak: cannot mount: ${obstacle}`);
    return 2;
  }
  say(`soak: ${minuteCount} minutes, ${cycleCount} cycles, seed ${seed}, node ${process.version}`);
  const violations = [
    ...(minuteCount > 0 ? await minutes(minuteCount, seed) : []),
    ...(cycleCount > 0 ? await cycles(cycleCount) : []),
  ];
  for (const violation of violations.slice(0, 50)) say(`VIOLATION: ${violation}`);
  say(violations.length === 0 ? "soak: no violation" : `soak: ${violations.length} violations`);
  return violations.length === 0 ? 0 : 1;
}

process.exitCode = await main();
