import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { threadFile } from "../../src/bytes/thread-file.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";

const PAGE = 4096;
const size = 512 * PAGE;
const bytes = patterned(size, 0);
const id = digestOf(bytes);
const CACHE = threadFile("open-cache", new URL("../../src/cache/cache.ts", import.meta.url).href).href;

/** Fills a content page by page in an order of its own, says each time how far it is, and never ends by itself. */
const FILLER = `
const [module, directory, id, seed] = process.argv.slice(1);
const size = ${size}, PAGE = ${PAGE};
const bytes = new Uint8Array(size);
for (let at = 0; at < size; at++) bytes[at] = (at * 31 + Math.floor(at / PAGE) * 7) & 0xff;
const { openCache } = await import(module);
const cache = await openCache({ directory, freeSpace: { bytes: 0, ratio: 0 } });
const entry = cache.open(id, size);
const pages = Array.from({ length: size / PAGE }, (_, page) => page);
let random = Number(seed);
for (let at = pages.length - 1; at > 0; at--) {
  random = (random * 1103515245 + 12345) & 0x7fffffff;
  const other = random % (at + 1);
  [pages[at], pages[other]] = [pages[other], pages[at]];
}
for (const [count, page] of pages.entries()) {
  await entry.write(page * PAGE, bytes.slice(page * PAGE, (page + 1) * PAGE));
  if (count % 32 === 0) process.stdout.write(count + "\\n");
}
process.stdout.write("done\\n");
setInterval(() => undefined, 1000);
`;

let place: TemporaryCache;
const children: ChildProcess[] = [];
const said = new WeakMap<ChildProcess, string>();

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await place.cleanUp();
});

function startFiller(seed: number): ChildProcess {
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", FILLER, CACHE, place.directory, id, String(seed)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  children.push(child);
  said.set(child, "");
  child.stdout?.on("data", (part: Buffer) => said.set(child, `${said.get(child) ?? ""}${part.toString()}`));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Resolves once the child has said what is waited for, before or after it is asked. */
function heard(child: ChildProcess, until: (text: string) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      if (until(said.get(child) ?? "")) resolve();
    };
    child.stdout?.on("data", check);
    child.once("exit", () => reject(new Error(`ended early: ${said.get(child) ?? ""}`)));
    check();
  });
}

test("two processes fill one content; one is killed in the middle; nothing is wrong, and nothing of the other's is lost", async () => {
  const killed = startFiller(1);
  const other = startFiller(2);
  await Promise.all([heard(killed, (text) => text.split("\n").length > 3), heard(other, (text) => text.length > 0)]);
  await kill(killed);
  const entry = (await place.open()).open(id, size);
  // While the other still writes: whatever is held is right.
  for (let page = 0; page < 512; page += 5) {
    const found = await entry.read({ start: page * PAGE, end: (page + 1) * PAGE });
    if (found !== undefined) expect(Buffer.compare(found, bytes.slice(page * PAGE, (page + 1) * PAGE))).toBe(0);
  }
  await heard(other, (text) => text.includes("done"));
  await kill(other);
  expect(entry.missing({ start: 0, end: size })).toEqual([]);
  expect(Buffer.compare((await entry.read({ start: 0, end: size })) ?? Buffer.alloc(0), bytes)).toBe(0);
  expect((await place.open()).open(id, size).missing({ start: 0, end: size })).toEqual([]);
  expect(await entry.verify(id)).toBe("full");
});

test("a process uses what its neighbour fetched, without a write of its own", async () => {
  const cache = await place.open();
  const entry = cache.open(id, size);
  expect(entry.missing({ start: 0, end: size })).toHaveLength(1);
  const filler = startFiller(3);
  await heard(filler, (text) => text.includes("done"));
  expect(entry.missing({ start: 0, end: size })).toEqual([]);
  expect(join(place.directory, "v1")).toBe(entry.backing()?.path.slice(0, place.directory.length + 3));
});
