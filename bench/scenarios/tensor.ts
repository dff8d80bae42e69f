import { join } from "node:path";
import { hasPython } from "../../test/support/python.ts";
import { runWell } from "../../test/support/processes.ts";
import { coldAnswer, fileSpec } from "../answers.ts";
import { MODEL, modelLayout, modelPath } from "../model.ts";
import { atMost, median, repeat, type Scenario } from "../scenario.ts";

const WANTED = 31;
const WINDOW_BYTES = 8 * 1024 * 1024;

/** As the format's own library reads: the header, then the mapped bytes of one tensor. */
const READER = `
import hashlib, json, mmap, struct, sys
with open(sys.argv[1], "rb") as f:
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    n = struct.unpack("<Q", m[:8])[0]
    start, end = json.loads(m[8:8 + n])[sys.argv[2]]["data_offsets"]
    print(hashlib.sha256(m[8 + n + start:8 + n + end]).hexdigest())
`;

export const tensor: Scenario = {
  name: "tensor",
  title: "Python: one mapped tensor of a safetensors file of 60",
  obstacle: () => (hasPython() ? undefined : "no python3"),
  async run(bench) {
    const path = await modelPath(bench);
    const { header, tensors } = modelLayout();
    const wanted = tensors[WANTED];
    if (wanted === undefined) throw new Error("no such tensor");
    const read = async (file: string): Promise<string> =>
      (await runWell("python3", ["-c", READER, file, wanted.name])).stdout.toString();
    const { reference } = await bench.store("model", async () => fileSpec(MODEL, path));
    const right = await read(path);
    const samples = await repeat(bench.runs, () =>
      coldAnswer(bench, reference, { ask: (folder) => read(join(folder, MODEL)), right }),
    );
    const bytes = Math.max(...samples.map((sample) => sample.bytes));
    const requests = Math.max(...samples.map((sample) => sample.requests));
    const size = wanted.end - wanted.start;
    return {
      checks: [
        atMost("count", {
          what: "blob bytes to the tensor and the header",
          value: bytes / (size + header.length),
          limit: 1.1,
          unit: "x",
        }),
        atMost("count", { what: "requests", value: requests, limit: 4 + Math.ceil(size / WINDOW_BYTES) }),
      ],
      facts: { ms: median(samples.map(({ ms }) => ms)), bytes, size, requests },
    };
  },
};
