import { crc32 } from "node:zlib";
import type { ByteRange } from "../../src/bytes/range.ts";
import { noiseStream } from "./content.ts";
import { runWell } from "./processes.ts";

/** Each reader is a process; all begin at one moment, each with every `readers`th piece. */
const PROGRAM = `
import json, mmap, os, sys, time, zlib
task = json.load(sys.stdin)
pieces, readers, how = task["pieces"], task["readers"], task["how"]
go_out, go_in = os.pipe()
def one(fd, m, start, end):
    if how == "mmap":
        return m[start:end]
    parts = []
    while start < end:
        part = os.pread(fd, end - start, start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return b"".join(parts)
def reader(number):
    os.close(go_in)
    fd = os.open(task["path"], os.O_RDONLY)
    m = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) if how == "mmap" else None
    os.read(go_out, 1)
    wrong = 0
    for start, end, crc in pieces[number::readers]:
        if zlib.crc32(one(fd, m, start, end)) != crc:
            wrong += 1
    return wrong
children = []
for number in range(readers):
    pid = os.fork()
    if pid == 0:
        try:
            code = min(100, reader(number))
        except OSError as e:
            code = 101
        os._exit(code)
    children.append(pid)
os.close(go_out)
time.sleep(task["settle"])
begun = time.monotonic()
os.close(go_in)
ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print(json.dumps({"ms": (time.monotonic() - begun) * 1000, "ends": ends}))
`;

export interface ManyReaders {
  /** From the common start to the end of the last one. */
  readonly ms: number;
  /** Of each process: how many of its pieces were wrong, 101 for an error, negative for a signal. */
  readonly ends: readonly number[];
}

/** Reads pieces of a file of noise in `readers` processes at once, and checks every byte. Needs Python 3.9. */
export async function manyReaders(options: {
  readonly path: string;
  readonly seed: number;
  readonly pieces: readonly ByteRange[];
  readonly readers: number;
  readonly how: "pread" | "mmap";
}): Promise<ManyReaders> {
  const { path, seed, readers, how } = options;
  const right = noiseStream(seed);
  const pieces = options.pieces.map(({ start, end }) => [start, end, crc32(right({ start, end }))]);
  // Whether a process is there when the others begin changes what is measured, never what is right.
  const input = JSON.stringify({ path, pieces, readers, how, settle: 0.2 });
  const { stdout } = await runWell("python3", ["-c", PROGRAM], { input, timeoutMs: 100_000 });
  // printed by that program
  return JSON.parse(stdout.toString()) as ManyReaders;
}
