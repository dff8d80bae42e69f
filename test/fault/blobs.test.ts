import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import {
  falseManifest,
  sendManifest,
  sendRange,
  sha256,
  startLiar,
  type Liar,
  type LiarRequest,
} from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";
import { noise } from "../support/content.ts";

const obstacle = mountObstacle();
const BYTES = 3 * 1024 * 1024;
const blob = noise(21, { start: 0, end: BYTES });
const DIGEST = sha256(blob);

let home: FaultHome;
let liar: Liar | undefined;
beforeEach(() => {
  home = faultHome();
});
afterEach(async () => {
  await home.end();
  await liar?.[Symbol.asyncDispose]();
  liar = undefined;
});

interface Lie {
  readonly size?: number;
  readonly digest?: string;
  readonly blob?: (asked: LiarRequest, response: ServerResponse) => void;
}

/** A registry with one artifact of one file, `a.bin`. */
async function serve(lie: Lie): Promise<string> {
  const { size = BYTES, digest = DIGEST } = lie;
  const manifest = falseManifest([{ title: "a.bin", digest, size }]);
  liar = await startLiar((asked, response) => {
    if (asked.kind === "manifest") sendManifest(response, manifest);
    else if (asked.kind === "blob") (lie.blob ?? ((a, r) => sendRange(a, r, blob)))(asked, response);
    else response.writeHead(200).end("{}");
  });
  return `${liar.host}/t/x:v`;
}

const blobRequests = (): number => liar?.count("blob") ?? 0;

interface Bad extends Lie {
  readonly says: RegExp;
  readonly code: number;
  /** Most blob requests of one command. */
  readonly requests: number;
}

const BAD: Readonly<Record<string, Bad>> = {
  "shorter than its descriptor says": {
    size: BYTES + 70_000,
    code: 6,
    says: /shorter than its descriptor/,
    requests: 4,
  },
  "longer than its descriptor says": { size: BYTES - 70_000, code: 6, says: /longer than its descriptor/, requests: 4 },
  gone: { blob: (_, response) => void response.writeHead(404).end(), code: 3, says: /blob/, requests: 4 },
  refused: {
    blob: (_, response) => void response.writeHead(403).end(),
    code: 4,
    says: /refuse|denied|403/,
    requests: 8,
  },
  "always behind an error": {
    blob: (_, response) => void response.writeHead(503).end(),
    code: 7,
    says: /answers? 503/,
    requests: 20,
  },
  "of another place than asked for": {
    blob: (_, response) =>
      void response.writeHead(206, { "content-range": `bytes 0-9/${BYTES}`, "content-length": 10 }).end("0123456789"),
    code: 7,
    says: /range|bytes/,
    requests: 20,
  },
  "never begun": { blob: () => undefined, code: 7, says: /within 2 s/, requests: 20 },
  // each answer brings a little: a registry that drips keeps nobody for ever
  dripping: {
    blob: (asked, response) => {
      const [, from = "0", to = "0"] = /=(\d+)-(\d+)/.exec(asked.request.headers.range ?? "") ?? [];
      const headers = {
        "content-range": `bytes ${from}-${to}/${BYTES}`,
        "content-length": Number(to) - Number(from) + 1,
      };
      response.writeHead(206, headers).write(Buffer.from(blob.slice(Number(from), Number(from) + 100)));
    },
    code: 7,
    says: /within 2 s/,
    requests: 20,
  },
};

describe.each(Object.entries(BAD))("a blob that is %s", (_, bad) => {
  test.each([
    ["cat", (reference: string) => ["cat", reference, "a.bin"]],
    ["cp", (reference: string) => ["cp", reference, "a.bin", "out/"]],
    ["pull", (reference: string) => ["pull", reference, "-o", "out"]],
  ])("%s: one line, the code, no file", async (_command, words) => {
    const reference = await serve(bad);
    const { code, stderr } = await home.riffle([...words(reference), "--timeout", "2s"]);
    expect(stderr).toMatch(/^riffle: [^\n]+ \([^\n]+\)\n$/);
    expect(stderr).toMatch(bad.says);
    expect(code).toBe(bad.code);
    expect(blobRequests()).toBeLessThanOrEqual(bad.requests);
    const out = join(home.path, "out");
    const names = readdirSync(home.path).includes("out") ? readdirSync(out) : [];
    expect(names.filter((name) => !name.endsWith(".part"))).toEqual([]);
  });

  test.skipIf(obstacle !== undefined)(`a mount: EIO, and the reason${obstacle ?? ""}`, async () => {
    const reference = await serve(bad);
    const place = home.place("mnt");
    expect(await home.riffle(["mount", reference, place, "--timeout", "2s"])).toMatchObject({ code: 0 });
    const read = await home.sh(`head -c 100000 ${place}/a.bin | wc -c; dd if=${place}/a.bin bs=8192 skip=9 count=1`);
    expect([read.stdout.toString(), read.stderr]).toEqual(["0\n", expect.stringContaining("Input/output error")]);
    const reasons = (await home.sh(`cat ${place}/.oci/errors`)).stdout.toString();
    expect(reasons).toMatch(bad.says);
    expect(reasons).toContain("a.bin: ");
    expect(blobRequests()).toBeLessThanOrEqual(bad.requests * 2);
    const log = (await home.sh("cat state/riffle/logs/*")).stdout.toString();
    expect(log).toMatch(bad.says);
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
  });
});

test("a blob that does not have its digest: cat, cp and pull say so with 6, and nothing gets its name", async () => {
  const reference = await serve({ digest: sha256("other") });
  for (const words of [
    ["cat", reference, "a.bin"],
    ["cp", reference, "a.bin", "out/"],
    ["pull", reference, "-o", "out"],
  ]) {
    const { code, stderr } = await home.riffle(words);
    expect([code, stderr]).toEqual([6, expect.stringMatching(/^riffle: [^\n]+ digest [^\n]+\n$/)]);
  }
  expect(readdirSync(join(home.path, "out"))).toEqual([]);
});

describe.skipIf(obstacle !== undefined)(
  `through a mount${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    test("a blob that does not have its digest is fetched once more, then refused, also when nobody had it open", async () => {
      const reference = await serve({ digest: sha256("other") });
      const place = home.place("mnt");
      await home.riffle(["mount", reference, place]);
      const errors = async (): Promise<number> =>
        (await home.sh(`cat ${place}/.oci/errors`)).stdout.toString().split("do not have that digest").length - 1;
      for (const times of [1, 2]) {
        await home.sh(`cat ${place}/a.bin >/dev/null`);
        // A reader that is still at it when the hash says no is refused too, and named.
        await expect.poll(errors, { timeout: 10_000 }).toBeGreaterThanOrEqual(times);
      }
      const before = blobRequests();
      // longer than a content stays open without a reader
      const read = await home.sh(`sleep 2.5; cat ${place}/a.bin`);
      expect([read.status, read.stdout.length]).toEqual([1, 0]);
      expect(read.stderr).toContain("Input/output error");
      expect(blobRequests()).toBe(before);
      await home.riffle(["unmount", place]);
    });

    const FLAWS: Readonly<Record<string, NonNullable<Lie["blob"]>>> = {
      "503 once": (asked, response) =>
        asked.before === 0 ? void response.writeHead(503).end() : sendRange(asked, response, blob),
      "429 with Retry-After once": (asked, response) =>
        asked.before === 0
          ? void response.writeHead(429, { "retry-after": "1" }).end()
          : sendRange(asked, response, blob),
      "a connection cut in the body once": (asked, response) => {
        if (asked.before > 0) return sendRange(asked, response, blob);
        const [, from = "0", to = "0"] = /=(\d+)-(\d+)/.exec(asked.request.headers.range ?? "") ?? [];
        const headers = {
          "content-range": `bytes ${from}-${to}/${BYTES}`,
          "content-length": Number(to) - Number(from) + 1,
        };
        response.writeHead(206, headers).write(Buffer.from(blob.slice(Number(from), Number(from) + 5000)), () => {
          response.destroy();
        });
      },
      "a registry that knows no ranges": (_, response) => void response.writeHead(200).end(blob),
    };
    test.each(Object.entries(FLAWS))("%s: right bytes, few requests", async (_, answer) => {
      const reference = await serve({ blob: answer });
      const place = home.place("mnt");
      await home.riffle(["mount", reference, place]);
      const read = await home.sh(`sha256sum < ${place}/a.bin; cat ${place}/.oci/errors`);
      expect(read.stdout.toString()).toBe(`${DIGEST.slice(7)}  -\n`);
      expect(blobRequests()).toBeLessThanOrEqual(24);
      await home.riffle(["unmount", place]);
    });
  },
);
