import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildArtifact, seedArtifact } from "../support/artifacts.ts";
import { hasPython } from "../support/python.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";
import { censusOf, type Census } from "./census.ts";
import { faultyLink, type FaultKind, type FaultyLink } from "./faulty-link.ts";
import { Slot, type SlotCounts, type SoakFile, type SoakHome } from "./slot.ts";
import { seeded, type Random } from "./random.ts";
import type { ReaderAnswer, ReaderTask } from "./reader-program.ts";
import { startMappedReader, startReader, type Reader } from "./readers.ts";

export interface StormOptions {
  readonly durationMs: number;
  readonly seed: number;
  readonly home: SoakHome;
  readonly say: (line: string) => void;
}

/** What was done to mounts and what came of it. */
export interface StormResult {
  readonly reads: number;
  readonly bytes: number;
  readonly wrong: number;
  readonly lists: number;
  readonly stats: number;
  /** Calls that failed, by errno: while faults were on, or the mount was on its way out. */
  readonly failed: Readonly<Record<string, number>>;
  /** Calls that failed though nothing was wrong, or took longer than anything may. */
  readonly violations: readonly string[];
  readonly slowestMs: number;
  readonly exchanges: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly slots: SlotCounts;
  /** Of the daemon that lives throughout: after a first minute, and at the end. */
  readonly early: Census;
  readonly late: Census;
}

const MIB = 1024 * 1024;
const SIZES: readonly number[] = [0, 1, 4095, 4096, 70_000, 1_000_003, 5 * MIB + 1, 12 * MIB, 24 * MIB + 7, 48 * MIB];
const TIMEOUT_S = 6;
/** Beyond the time limit of a read: a machine that does other things as well. */
const SLACK_MS = 20_000;
const READERS = 4;
const SLOTS = 4;

/** Files of noise, in folders; `from` keeps the seeds of artifacts apart. */
function filesOf(from: number): readonly SoakFile[] {
  return SIZES.map((size, at) => ({ name: `part-${at % 3}/file-${at}.bin`, size, seed: from + at }));
}

async function store(registry: SpawnedRegistry, tag: string, files: readonly SoakFile[]): Promise<void> {
  const built = await buildArtifact({
    files: files.map(({ name, size, seed }) => ({ title: name, content: { kind: "noise", seed, size } })),
  });
  await seedArtifact(registry, { repository: "soak/storm", tag }, built);
}

/** Mounts, reads and breaks for `durationMs`, then waits until it is quiet. Leaves nothing mounted. */
export async function storm(options: StormOptions): Promise<StormResult> {
  const random = seeded(options.seed);
  // Tokens and addresses that live a moment only; redirects stay on the link, which fails.
  const registry = await spawnRegistry({
    auth: { kind: "bearer", tokenMs: 2000 },
    redirect: { expiresMs: 1500 },
    quirks: { redirectRelative: true },
  });
  const link = await faultyLink(registry.host, seeded(options.seed + 1));
  const sets = [filesOf(100), filesOf(200)];
  for (const [at, files] of sets.entries()) await store(registry, `v${at}`, files);
  const slots = Array.from({ length: SLOTS }, (_, at) => {
    const place = join(options.home.path, `mnt-${at}`);
    mkdirSync(place, { recursive: true });
    const set = at % sets.length;
    const reference = `${link.host}/soak/storm:v${set}`;
    return new Slot({ place, reference, files: sets[set] ?? [], home: options.home, timeoutS: TIMEOUT_S });
  });
  const weather = new Storm({ slots, random, link, registry, ...options });
  try {
    return await weather.run();
  } finally {
    for (const slot of slots) await slot.end();
    await link.close();
    await registry.close();
  }
}

interface StormParts extends StormOptions {
  readonly slots: readonly Slot[];
  readonly random: Random;
  readonly link: FaultyLink;
  readonly registry: SpawnedRegistry;
}

class Storm {
  readonly #parts: StormParts;
  readonly #failed: Record<string, number> = {};
  readonly #violations: string[] = [];
  readonly #counts = { reads: 0, bytes: 0, wrong: 0, lists: 0, stats: 0, slowestMs: 0 };
  #over = false;

  constructor(parts: StormParts) {
    this.#parts = parts;
  }

  async run(): Promise<StormResult> {
    const { slots, link, durationMs, say } = this.#parts;
    const readers: readonly Reader[] = [
      ...Array.from({ length: READERS }, startReader),
      ...(hasPython() ? [startMappedReader((bytes) => createHash("sha256").update(bytes).digest("hex"))] : []),
    ];
    try {
      await Promise.all(slots.map((slot) => slot.mount()));
      const early = await this.#calm(readers);
      const end = performance.now() + durationMs;
      link.setShare(0.08);
      const work = readers.map((reader, at) => this.#drive(reader, at === READERS));
      work.push(this.#change(), this.#tell(end, say));
      while (performance.now() < end) await sleep(Math.min(500, end - performance.now()));
      this.#over = true;
      await Promise.all(work);
      link.setShare(0);
      const late = await this.#calm(readers);
      return { ...this.#counts, ...this.#told(), early, late };
    } finally {
      this.#over = true;
      await Promise.all(readers.map((reader) => reader.close()));
    }
  }

  #told(): Pick<StormResult, "failed" | "violations" | "exchanges" | "faults" | "slots"> {
    const sum = { mounts: 0, unmounts: 0, lazy: 0, busy: 0, kills: 0, refused: 0 };
    for (const slot of this.#parts.slots)
      for (const name of Object.keys(sum)) {
        // the keys of the object itself
        const key = name as keyof typeof sum;
        sum[key] += slot.counts[key];
      }
    const { link, slots } = this.#parts;
    const violations = [...this.#violations, ...slots.flatMap((slot) => slot.violations)];
    return { failed: this.#failed, violations, exchanges: link.exchanges(), faults: link.faults, slots: sum };
  }

  /** Without faults everything must be readable; then nobody reads, and connections that wait are over. */
  async #calm(readers: readonly Reader[]): Promise<Census> {
    const [first] = this.#parts.slots;
    const [reader] = readers;
    if (first === undefined || reader === undefined) throw new RangeError("no slot");
    for (const slot of this.#parts.slots.filter(({ isUp }) => isUp))
      for (const { name, size, seed } of slot.files) {
        const path = join(slot.place, name);
        const answer = await reader.ask({ kind: "read", path, start: 0, end: size, seed });
        this.#count({ kind: "read", path, start: 0, end: size, seed }, answer);
        if (answer.code !== undefined) this.#violations.push(`${path} in calm weather: ${answer.code}`);
      }
    await sleep(6000);
    return censusOf(first.pid);
  }

  async #drive(reader: Reader, mapped: boolean): Promise<void> {
    while (!this.#over) {
      const slot = this.#parts.random.pick(this.#parts.slots);
      const epoch = slot.epoch;
      if (!slot.isUp) {
        await sleep(20);
        continue;
      }
      const task = this.#task(slot, mapped);
      if (task === undefined) continue;
      const answer = await reader.ask(task);
      this.#count(task, answer);
      if (answer.code === undefined) continue;
      this.#failed[answer.code] = (this.#failed[answer.code] ?? 0) + 1;
      const undisturbed = slot.isUp && slot.epoch === epoch;
      const isOfFaults = task.kind === "read" && /^(?:EIO|errno 5|signal SIGBUS)$/.test(answer.code);
      if (undisturbed && !isOfFaults) this.#violations.push(`${task.kind} ${task.path}: ${answer.code}`);
    }
  }

  #count(task: ReaderTask, answer: ReaderAnswer): void {
    if (task.kind === "read") this.#counts.reads += 1;
    else this.#counts[task.kind === "list" ? "lists" : "stats"] += 1;
    this.#counts.bytes += answer.bytes;
    this.#counts.wrong += answer.wrong;
    this.#counts.slowestMs = Math.max(this.#counts.slowestMs, answer.ms);
    if (answer.wrong > 0) this.#violations.push(`${JSON.stringify(task).slice(0, 300)}: ${answer.wrong} wrong`);
    // A long read is several: each has the time limit for itself.
    const pieces = task.kind === "read" ? Math.ceil((task.end - task.start) / MIB) : 1;
    const most = TIMEOUT_S * 1000 * Math.max(1, pieces) + SLACK_MS;
    if (answer.ms > most) this.#violations.push(`${task.kind} ${task.path} took ${Math.round(answer.ms)} ms`);
  }

  #task(slot: Slot, mapped: boolean): ReaderTask | undefined {
    const { random } = this.#parts;
    const { name, size, seed } = random.pick(slot.files);
    const path = join(slot.place, name);
    const start = random.below(Math.max(1, size));
    const what = random.next();
    if (mapped) {
      if (size === 0) return undefined;
      return { kind: "read", path, start, end: Math.min(size, start + 1 + random.below(300_000)), seed };
    }
    if (what < 0.08) return { kind: "list", path: join(slot.place, "part-1"), names: slot.names("part-1") };
    if (what < 0.16) return { kind: "stat", path, size };
    const length = what < 0.22 ? random.below(16 * MIB) : 1 + random.below(what < 0.6 ? 70_000 : MIB);
    return { kind: "read", path, start: size === 0 ? 0 : start, end: Math.min(size, start + length), seed };
  }

  /** Mounts come and go; the first stays. What the registry does changes, too. */
  async #change(): Promise<void> {
    const { random, slots, registry } = this.#parts;
    while (!this.#over) {
      await sleep(300 + random.below(1500));
      const slot = slots[1 + random.below(SLOTS - 1)];
      if (slot === undefined || this.#over) continue;
      const what = random.next();
      if (what < 0.15) await registry.configure({}, { revoke: true });
      else if (what < 0.3)
        await registry.configure({
          latencyMs: random.below(30),
          redirect: random.next() < 0.3 ? false : { expiresMs: 1500 },
        });
      else if (!slot.isUp) await slot.mount();
      else if (what < 0.5) await slot.kill();
      else await slot.unmount(random.next() < 0.5);
    }
  }

  async #tell(end: number, say: (line: string) => void): Promise<void> {
    while (!this.#over) {
      for (let waited = 0; waited < 60 && !this.#over; waited += 1) await sleep(500);
      const { reads, bytes, wrong } = this.#counts;
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      say(`${reads} reads, ${Math.round(bytes / MIB)} MiB, ${wrong} wrong bytes; ${left} s to go`);
    }
  }
}
