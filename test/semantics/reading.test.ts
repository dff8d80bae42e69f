import { describe, expect, test } from "vitest";
import { noise } from "../support/content.ts";
import { faultyMount } from "../support/faults/faulty-mount.ts";
import { sha256 } from "../support/liar.ts";
import { hasProgram, mountObstacle } from "../support/processes.ts";

const obstacle = mountObstacle() ?? (hasProgram("python3") ? undefined : "no python3");
const SIZE = 1_000_003;
const bytes = noise(2, { start: 0, end: SIZE });
const sum = (start: number, end: number): string => sha256(bytes.subarray(start, end)).slice(7);
const PREAD = `import os, sys, hashlib
fd = os.open(sys.argv[1], os.O_RDONLY)
start, length = int(sys.argv[2]), int(sys.argv[3])
got = os.pread(fd, length, start)
print(len(got), hashlib.sha256(got).hexdigest())`;

describe.skipIf(obstacle !== undefined)(`reading${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  const mount = faultyMount({ files: [{ title: "a.bin", bytes }] });
  const pread = (start: number, length: number): Promise<string> =>
    mount.sh(`python3 -c '${PREAD}' a.bin ${start} ${length}`);

  test("a read inside the file is never short", async () => {
    for (const [start, length] of [
      [0, 1],
      [4095, 2],
      [65_535, 700_001],
      [0, SIZE],
    ] as const) {
      expect(await pread(start, length)).toBe(`${length} ${sum(start, start + length)}\n`);
    }
  });

  test("a read over the end gives what there is, one behind it nothing", async () => {
    expect(await pread(SIZE - 10, 100)).toBe(`10 ${sum(SIZE - 10, SIZE)}\n`);
    expect(await pread(SIZE + 5, 100)).toBe(`0 ${sum(0, 0)}\n`);
  });

  test("a mapped file has the same bytes", async () => {
    const script = `import hashlib, mmap
with open("a.bin", "rb") as f: print(hashlib.sha256(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)).hexdigest())`;
    expect(await mount.sh(`python3 -c '${script}'`)).toBe(`${sum(0, SIZE)}\n`);
  });

  test("many programs may read one file at once", async () => {
    const said = await mount.sh("for i in 1 2 3 4 5 6 7 8; do sha256sum < a.bin & done; wait");
    expect(said).toBe(`${sum(0, SIZE)}  -\n`.repeat(8));
  });
});
