import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { temporaryCache } from "../cache/temporary.ts";
import { ROOT } from "../support/root.ts";
import type { PeerAnswer, PeerContent, PeerRequest } from "../support/programs/cache-peer.ts";
import { propertyRuns } from "../support/seed.ts";

const PAGE = 4096;
const PEERS = 3;
const SIZES = [12 * PAGE + 7, 40 * PAGE];
const place = temporaryCache();

interface Peer {
  readonly ask: (request: PeerRequest) => Promise<PeerAnswer>;
  readonly kill: () => Promise<void>;
}

const children: ChildProcess[] = [];
const peers: (Peer | undefined)[] = Array.from({ length: PEERS }, () => undefined);
let contents = 0;

afterAll(async () => {
  for (const one of peers) await one?.kill();
  for (const child of children) child.kill("SIGKILL");
  await place.cleanUp();
});

async function startPeer(): Promise<Peer> {
  const program = join(ROOT, "dist-tools/test/support/programs/cache-peer.js");
  const child = spawn(process.execPath, [program, place.directory], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const waiting: ((answer: PeerAnswer) => void)[] = [];
  // Written by `cache-peer.ts` alone.
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.(JSON.parse(line) as PeerAnswer));
  const next = (): Promise<PeerAnswer> => new Promise((resolve) => waiting.push(resolve));
  child.stdin.on("error", () => undefined);
  await next();
  return {
    ask: (request) => {
      const answer = next();
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return answer;
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function peerAt(index: number): Promise<Peer> {
  const known = peers[index] ?? (await startPeer());
  peers[index] = known;
  return known;
}

type Step =
  | {
      readonly kind: "write" | "dieWriting";
      readonly peer: number;
      readonly which: number;
      readonly first: number;
      readonly pages: number;
    }
  | { readonly kind: "verify" | "discard" | "close" | "die"; readonly peer: number; readonly which: number };

const peer = fc.nat(PEERS - 1);
const which = fc.nat(SIZES.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "write" as const,
        "write" as const,
        "write" as const,
        "write" as const,
        "dieWriting" as const,
      ),
      peer,
      which,
      first: fc.nat(39),
      pages: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "verify" as const,
        "verify" as const,
        "discard" as const,
        "close" as const,
        "close" as const,
        "die" as const,
      ),
      peer,
      which,
    }),
  },
);

/** The files of a content from their making to their end: whoever has them open goes on with them. */
interface Life {
  readonly held: Set<number>;
  /** Written by somebody who was killed: there or not, but for all the same. */
  readonly unsure: Set<number>;
}

interface State {
  readonly content: PeerContent;
  readonly pages: number;
  /** What lies in the directory. */
  current: Life | undefined;
  /** What each process has open. */
  readonly open: (Life | undefined)[];
}

/** Contents that no case before it had, and the reference: sets of pages, and who has which. */
class Reference {
  readonly #states: readonly State[] = SIZES.map((size): State => {
    contents += 1;
    const content = { id: digestOf(new Uint8Array(Buffer.from(`content ${contents}`))), size, seed: contents };
    const open = Array.from({ length: PEERS }, () => undefined);
    return { content, pages: Math.ceil(size / PAGE), current: undefined, open };
  });

  async apply(doing: Step): Promise<void> {
    const state = this.#states[doing.which];
    if (state === undefined) throw new Error(`no content ${doing.which}`);
    const driven = await peerAt(doing.peer);
    switch (doing.kind) {
      case "write":
      case "dieWriting":
        await this.#write(state, driven, doing);
        break;
      case "die":
        await this.#die(doing.peer);
        break;
      case "verify": {
        const { outcome } = await driven.ask({ op: "verify", content: state.content });
        const held = (state.open[doing.peer] ?? state.current)?.held.size;
        expect(outcome).toBe(held === state.pages ? "full" : "incomplete");
        break;
      }
      case "discard":
        await driven.ask({ op: "discard", content: state.content });
        state.current = undefined;
        state.open[doing.peer] = undefined;
        break;
      case "close":
        await driven.ask({ op: "close", content: state.content });
        state.open[doing.peer] = undefined;
    }
    for (const one of this.#states) await this.#compare(one);
  }

  async #write(state: State, driven: Peer, doing: Extract<Step, { readonly first: number }>): Promise<void> {
    const start = Math.min(doing.first, state.pages - 1);
    const end = Math.min(state.pages, start + doing.pages);
    const range = { start: start * PAGE, end: Math.min(state.content.size, end * PAGE) };
    // Killed before anything is there, nobody could tell whether its files were made.
    const isSure = doing.kind === "write" || (state.current?.held.size ?? 0) === 0;
    const written = driven.ask({ op: "write", content: state.content, range });
    // Who writes does so where others will look.
    state.current ??= { held: new Set(), unsure: new Set() };
    state.open[doing.peer] = state.current;
    for (let page = start; page < end; page += 1) (isSure ? state.current.held : state.current.unsure).add(page);
    if (isSure) await written;
    if (doing.kind === "dieWriting") await this.#die(doing.peer);
  }

  /** Every process, and a thread of each, sees all of the pages of the files that it has open, and they are what was written. */
  async #compare(state: State): Promise<void> {
    for (let at = 0; at < PEERS; at += 1) {
      const { missing, read, thread } = await (await peerAt(at)).ask({ op: "look", content: state.content });
      state.open[at] ??= state.current;
      expect(read).toBe("right");
      // A thread may have to ask the main thread first; it never has other bytes.
      expect(thread).not.toBe("wrong");
      const seen = new Set(Array.from({ length: state.pages }, (_, page) => page));
      for (const hole of missing ?? [])
        for (let page = hole.start / PAGE; page * PAGE < hole.end; page += 1) seen.delete(page);
      const life = state.open[at] ?? { held: new Set(), unsure: new Set() };
      for (const page of life.unsure) if (seen.has(page)) life.held.add(page);
      // From here on nobody may change their mind.
      life.unsure.clear();
      expect([at, sorted(seen)]).toEqual([at, sorted(life.held)]);
    }
  }

  async #die(index: number): Promise<void> {
    await peers[index]?.kill();
    peers[index] = undefined;
    for (const { open } of this.#states) open[index] = undefined;
  }
}

const sorted = (pages: ReadonlySet<number>): readonly number[] => [...pages].sort((a, b) => a - b);

test(
  "processes and threads that share a directory see the same pages after every step, also when one is killed while it writes",
  { timeout: 180_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
        const reference = new Reference();
        for (const doing of steps) await reference.apply(doing);
      }),
      propertyRuns({ numRuns: 6, seed: 20_261_103 }),
    );
  },
);
