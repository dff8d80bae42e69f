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
  await Promise.all(peers.map((peer) => peer?.kill()));
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

/** Contents that no case before it had, and the reference: pages that are held, and those of which nobody can tell. */
class Reference {
  readonly #contents: readonly PeerContent[] = SIZES.map((size) => {
    contents += 1;
    return { id: digestOf(new Uint8Array(Buffer.from(`content ${contents}`))), size, seed: contents };
  });
  readonly #held: Set<number>[] = SIZES.map(() => new Set());
  readonly #unsure: Set<number>[] = SIZES.map(() => new Set());

  async apply(doing: Step): Promise<void> {
    const content = this.#contentOf(doing.which);
    const driven = await peerAt(doing.peer);
    if (doing.kind === "write" || doing.kind === "dieWriting") {
      const start = Math.min(doing.first * PAGE, Math.floor((content.size - 1) / PAGE) * PAGE);
      const end = Math.min(content.size, start + doing.pages * PAGE);
      const written = driven.ask({ op: "write", content, range: { start, end } });
      const isSure = doing.kind === "write";
      for (let page = start / PAGE; page * PAGE < end; page += 1)
        (isSure ? this.#held : this.#unsure)[doing.which]?.add(page);
      if (isSure) await written;
      else await this.#die(doing.peer);
    } else if (doing.kind === "die") await this.#die(doing.peer);
    else {
      const { outcome } = await driven.ask({ op: doing.kind, content });
      const isWhole = this.#held[doing.which]?.size === Math.ceil(content.size / PAGE);
      if (doing.kind === "verify") expect(outcome).toBe(isWhole ? "full" : "incomplete");
      if (doing.kind === "discard") this.#held[doing.which]?.clear();
    }
    await this.#compare();
  }

  /** Every process, and a thread of each, sees the same, and it is what was written. */
  async #compare(): Promise<void> {
    for (const [index, content] of this.#contents.entries()) {
      const answers: PeerAnswer[] = [];
      for (let at = 0; at < PEERS; at += 1) answers.push(await (await peerAt(at)).ask({ op: "look", content }));
      const held = this.#held[index] ?? new Set();
      const seen = new Set(Array.from({ length: Math.ceil(content.size / PAGE) }, (_, page) => page));
      for (const hole of answers[0]?.missing ?? [])
        for (let at = hole.start; at < hole.end; at += PAGE) seen.delete(at / PAGE);
      for (const { missing, read, thread } of answers) {
        expect(missing).toEqual(answers[0]?.missing);
        expect(read).toBe("right");
        // A thread may have to ask the main thread first; it never has other bytes.
        expect(thread).not.toBe("wrong");
      }
      for (const page of held) expect(seen).toContain(page);
      const unsure = this.#unsure[index] ?? new Set();
      for (const page of seen) expect(held.has(page) || unsure.has(page)).toBe(true);
      // From here on nobody may change their mind.
      for (const page of seen) held.add(page);
      unsure.clear();
    }
  }

  async #die(index: number): Promise<void> {
    await peers[index]?.kill();
    peers[index] = undefined;
  }

  #contentOf(index: number): PeerContent {
    const found = this.#contents[index];
    if (found === undefined) throw new Error(`no content ${index}`);
    return found;
  }
}

test(
  "processes and threads that share a directory see the same pages after every step, also when one is killed while it writes",
  { timeout: 180_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
        const reference = new Reference();
        for (const doing of steps) await reference.apply(doing);
      }),
      propertyRuns({ numRuns: 12, seed: 20_261_103 }),
    );
  },
);
