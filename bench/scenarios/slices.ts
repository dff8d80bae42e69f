import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { noise, noiseStream } from "../../test/support/content.ts";
import { makeOnce } from "../../test/support/data.ts";
import { hasPython } from "../../test/support/python.ts";
import { runWell } from "../../test/support/processes.ts";
import { madeZip } from "../../test/support/zip-file.ts";
import { coldAnswer, fileSpec } from "../answers.ts";
import { coldCommand } from "../command.ts";
import type { Bench } from "../context.ts";
import { atMost, median, repeat, type Check, type Scenario, type ScenarioResult } from "../scenario.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A slice by `riffle array` and by a program over the mount. */
interface Slice {
  readonly title: string;
  readonly path: string;
  readonly slice: string;
  /** Python: prints the SHA-256 of what it read of the file in `sys.argv[1]`. */
  readonly reader: string;
  /** Of the result of `riffle array`, without its header; and of the reader. */
  readonly right: { readonly bytes: number; readonly command: string; readonly reader: string };
  /** The ranges that hold it, and the index. */
  readonly needed: number;
  /** Requests for blob bytes. */
  readonly requests: number;
}

async function cut(bench: Bench, slice: Slice): Promise<ScenarioResult> {
  const { reference } = await bench.store(slice.title, async () => fileSpec(slice.title, slice.path));
  const commands = await repeat(bench.runs, async () => {
    const words = ["array", reference, slice.title, "--slice", slice.slice, "--format", "npy"];
    const { stdout, ...cost } = await coldCommand(bench, words);
    if (sha256(stdout.subarray(-slice.right.bytes)) !== slice.right.command)
      throw new Error("the answer of riffle array is wrong");
    return cost;
  });
  const ask = async (folder: string): Promise<string> =>
    (await runWell("python3", ["-c", slice.reader, join(folder, slice.title)])).stdout.toString().trim();
  const mounts = await repeat(bench.runs, () => coldAnswer(bench, reference, { ask, right: slice.right.reader }));
  const checks = (who: string, samples: typeof commands, requests: number): readonly Check[] => {
    const ratio = Math.max(...samples.map(({ bytes }) => bytes)) / slice.needed;
    return [
      atMost("count", { what: `${who}: blob bytes to those needed`, value: ratio, limit: 1.2, unit: "x" }),
      atMost("count", {
        what: `${who}: requests`,
        value: Math.max(...samples.map((each) => each.requests)),
        limit: requests,
      }),
    ];
  };
  return {
    // the mount's count has the manifest in it
    checks: [...checks("riffle array", commands, slice.requests), ...checks("the mount", mounts, slice.requests + 1)],
    facts: { ms: median(mounts.map(({ ms }) => ms)), needed: slice.needed },
  };
}

const obstacle = (): string | undefined => (hasPython() ? undefined : "no python3");

const PLANES = 256;
const SIDE = 512;
const NPY_SEED = 41;
const NPY_HEADER = 128;

function makeNpy(bench: Bench): Promise<string> {
  return makeOnce(join(bench.folder, "planes.npy"), async (draft) => {
    const text = `{'descr': '<u2', 'fortran_order': False, 'shape': (${PLANES}, ${SIDE}, ${SIDE}), }`;
    const header = Buffer.from(`\x93NUMPY\x01\0\0\0${text}`, "latin1");
    const padded = Buffer.alloc(NPY_HEADER, " ");
    header.copy(padded);
    padded.writeUInt16LE(NPY_HEADER - 10, 8);
    padded[NPY_HEADER - 1] = 10;
    const data = noiseStream(NPY_SEED);
    const file = openSync(draft, "w");
    writeSync(file, padded);
    const plane = SIDE * SIDE * 2;
    for (let at = 0; at < PLANES; at += 1) writeSync(file, data({ start: at * plane, end: (at + 1) * plane }));
    closeSync(file);
  });
}

export const npySlice: Scenario = {
  name: "npy-slice",
  title: "ten planes of 256, a hundred and fifty rows of each, of a .npy of 134 MB",
  obstacle,
  async run(bench) {
    const path = await makeNpy(bench);
    const plane = SIDE * SIDE * 2;
    const row = SIDE * 2;
    const parts = Array.from({ length: 10 }, (_, i) => (20 + i) * plane + 100 * row);
    const wanted = Buffer.concat(parts.map((start) => noise(NPY_SEED, { start, end: start + 150 * row })));
    const reader = `
import hashlib, sys
with open(sys.argv[1], "rb", buffering=0) as f:
    h = hashlib.sha256()
    f.read(${NPY_HEADER})
    for plane in range(20, 30):
        f.seek(${NPY_HEADER} + plane * ${plane} + 100 * ${row})
        for _ in range(150): h.update(f.read(${row}))
    print(h.hexdigest())
`;
    const right = { bytes: wanted.length, command: sha256(wanted), reader: sha256(wanted) };
    // Planes lie too far apart to be joined: a request each, and the header.
    return cut(bench, {
      title: "planes.npy",
      path,
      slice: "20:30,100:250",
      reader,
      right,
      needed: wanted.length + 32 * 1024,
      requests: 11,
    });
  },
};

const CHUNK = 256;
const CHUNKS = 16;
const CHUNK_BYTES = CHUNK * CHUNK * 2;
const chunkOf = (row: number, column: number): Uint8Array => {
  const at = (row * CHUNKS + column) * CHUNK_BYTES;
  return noise(43, { start: at, end: at + CHUNK_BYTES });
};

function makeZarr(bench: Bench): Promise<string> {
  return makeOnce(join(bench.folder, "grid.zarr.zip"), async (draft) => {
    const document = {
      zarr_format: 3,
      node_type: "array",
      shape: [CHUNK * CHUNKS, CHUNK * CHUNKS],
      data_type: "uint16",
      chunk_grid: { name: "regular", configuration: { chunk_shape: [CHUNK, CHUNK] } },
      chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
      fill_value: 0,
      codecs: [{ name: "bytes", configuration: { endian: "little" } }],
    };
    const places = Array.from({ length: CHUNKS * CHUNKS }, (_, i) => [Math.floor(i / CHUNKS), i % CHUNKS] as const);
    const chunks = places.map(([row, column]) => ({ name: `c/${row}/${column}`, content: chunkOf(row, column) }));
    await writeFile(draft, madeZip([{ name: "zarr.json", content: Buffer.from(JSON.stringify(document)) }, ...chunks]));
  });
}

export const zarrSlice: Scenario = {
  name: "zarr-slice",
  title: "two by three chunks of 256 of a Zarr in one zip of 33 MB",
  obstacle,
  async run(bench) {
    const path = await makeZarr(bench);
    const [rows, columns] = [
      [4, 5],
      [4, 5, 6],
    ] as const;
    const chunks = rows.map((row) => columns.map((column) => chunkOf(row, column)));
    const lines = chunks.flatMap((line) =>
      Array.from({ length: CHUNK }, (_, y) => line.map((each) => each.subarray(y * CHUNK * 2, (y + 1) * CHUNK * 2))),
    );
    const wanted = Buffer.concat(lines.flat());
    const reader = `
import hashlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    h = hashlib.sha256()
    z.read("zarr.json")
    for row in (4, 5):
        for column in (4, 5, 6): h.update(z.read("c/%d/%d" % (row, column)))
    print(h.hexdigest())
`;
    const right = {
      bytes: wanted.length,
      command: sha256(wanted),
      reader: sha256(Buffer.concat(chunks.flat())),
    };
    // Two rows of chunks that lie together, the directory, the document and the end of the file.
    return cut(bench, {
      title: "grid.zarr.zip",
      path,
      slice: "1024:1536,1024:1792",
      reader,
      right,
      needed: wanted.length + 64 * 1024,
      requests: 6,
    });
  },
};
