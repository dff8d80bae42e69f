import { createServer as createTlsServer } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { ServerResponse } from "node:http";
import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildArtifact, buildIndex, MANIFEST_TYPE, seedArtifact } from "../support/artifacts.ts";
import { HAS_OPENSSL, makeCertificate, temporaryFolder } from "../support/certificates.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { falseManifest, sendManifest, sha256, startLiar, type Liar, type LiarRequest } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

const obstacle = mountObstacle();
const unlessMountable = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
let home: FaultHome;
beforeEach(() => {
  home = faultHome();
});
afterEach(() => home.end());

/** What a person sees of a failure: nothing on stdout, one line, a code. */
async function fails(words: readonly string[], code: number, says: RegExp): Promise<void> {
  const outcome = await home.riffle(words);
  expect(outcome.stderr).toMatch(/^riffle: [^\n]+ \([^\n]+\)\n$/);
  expect(outcome.stderr).toMatch(says);
  expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
}

const DIGEST = sha256("a");
const layer = (size: unknown): Buffer => falseManifest([{ title: "a", digest: DIGEST, size }]);
const good = layer(1);
const HTML = Buffer.from("<!DOCTYPE html><html><body>Please sign in</body></html>");

interface Refusal {
  readonly answer: (response: ServerResponse, asked: LiarRequest) => void;
  readonly code: number;
  readonly says: RegExp;
  readonly requests?: number;
}

const gives = (bytes: Uint8Array, type?: string): Refusal["answer"] => {
  return (response) => sendManifest(response, bytes, type);
};
const spill = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": MANIFEST_TYPE });
  const more = (): void => {
    if (!response.destroyed) response.write(Buffer.alloc(1 << 20, 0x20), more);
  };
  more();
};

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "a web page": { answer: gives(HTML, "text/html"), code: 7, says: /web page instead of the manifest of t\/x:v/ },
  "a web page that calls itself a manifest": { answer: gives(HTML), code: 6, says: /manifest is a web page/ },
  "too large": { answer: gives(Buffer.alloc(17 << 20, 0x20)), code: 6, says: /longer than 16777216 bytes/ },
  endless: { answer: spill, code: 6, says: /longer than 16777216 bytes/ },
  "not JSON": { answer: gives(Buffer.from("{nope")), code: 6, says: /not JSON/ },
  "of an unknown type": {
    answer: gives(Buffer.from("{}"), "application/x-what"),
    code: 6,
    says: /unknown type: application\/x-what/,
  },
  "with a negative size": { answer: gives(layer(-5)), code: 6, says: /layer 1 .* negative size: -5/ },
  "with an absurd size": { answer: gives(layer(1e300)), code: 6, says: /size that no file can have/ },
  "without a size": { answer: gives(layer(undefined)), code: 6, says: /layer 1 .* no size/ },
  "with a size that is text": { answer: gives(layer("12")), code: 6, says: /layer 1 / },
  "under the digest of another": {
    answer: (response) =>
      response.writeHead(200, { "content-type": MANIFEST_TYPE, "docker-content-digest": DIGEST }).end(good),
    code: 6,
    says: /does not have the digest that it was served under/,
  },
  "of no tag": { answer: (response) => response.writeHead(404).end(), code: 3, says: /t\/x has no tag v/ },
  "behind an error": {
    answer: (response) => response.writeHead(500).end("oops"),
    code: 7,
    says: /answers 500/,
    requests: 5,
  },
  "that never begins": { answer: () => undefined, code: 7, says: /did not (?:arrive|answer) within 2 s/ },
  "that never ends": {
    answer: (response) => response.writeHead(200, { "content-type": MANIFEST_TYPE, "content-length": 99 }).write("{"),
    code: 7,
    says: /did not arrive within 2 s/,
  },
  "in another language": {
    answer: (response) => response.socket?.end("220 mail.example ESMTP\r\n"),
    code: 7,
    says: /did not answer in HTTP/,
    requests: 5,
  },
};

describe("a manifest", () => {
  let liar: Liar;
  let current: Refusal["answer"];
  beforeAll(async () => {
    liar = await startLiar((asked, response) => {
      if (asked.kind === "other") response.writeHead(200).end("{}");
      else current(response, asked);
    });
  });
  afterAll(() => liar[Symbol.asyncDispose]());
  beforeEach(() => liar.forget());

  test.each(Object.entries(REFUSALS))("%s", async (_, { answer, code, says, requests = 1 }) => {
    current = answer;
    const reference = `${liar.host}/t/x:v`;
    // Where nothing can be mounted, that is what `mount` would say.
    const words = obstacle === undefined ? ["mount", reference, home.place("mnt")] : ["ls", reference];
    await fails([...words, "--timeout", "2s"], code, says);
    expect(liar.count("manifest")).toBeLessThanOrEqual(requests);
    expect(readdirSync(home.path)).not.toContain("cache");
  });

  test("that does not have the digest it is asked by", async () => {
    current = gives(good);
    await fails(["ls", `${liar.host}/t/x@${DIGEST}`], 6, /does not have its digest: expected sha256:ca97.*got sha256:/);
    expect(liar.count("manifest")).toBe(1);
  });

  const mounts = test.skipIf(obstacle !== undefined);
  mounts(`of ten thousand layers is mounted, and takes no more memory than it may${unlessMountable}`, async () => {
    const layers = Array.from({ length: 10_000 }, (_, i) => ({
      title: `d${i % 100}/f${i}`,
      digest: sha256(`${i}`),
      size: 10,
    }));
    current = gives(falseManifest(layers));
    const place = home.place("mnt");
    const { code, stdout } = await home.riffle(["mount", `${liar.host}/t/x:v`, place, "--json"]);
    expect(code).toBe(0);
    // made by riffle mount --json
    const { files, pid } = JSON.parse(stdout) as { files: number; pid: number };
    expect(files).toBe(10_000);
    const listing = await home.sh(`find ${place} -type f | wc -l; sed -n 's/^VmHWM:[^0-9]*//p' /proc/${pid}/status`);
    const [found = "", memory = ""] = listing.stdout.toString().split("\n");
    expect(found).toBe("10000");
    expect(Number.parseInt(memory, 10)).toBeLessThan(250 * 1024);
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
    expect(liar.seen).toHaveLength(1);
  });

  mounts(`with hostile names shows safe ones, says so once for each, and stays inside${unlessMountable}`, async () => {
    const steps = ["../../etc/passwd", "/abs", "", ".", "dup", "dup", "clash", "clash/in", ".oci"];
    const names = steps.concat("a\0b", "x".repeat(300), "a\\b", "new\nline", "esc\u001b[31m");
    const layers = names.map((title, i) => ({ title, digest: sha256(`n${i}`), size: 3 }));
    current = gives(falseManifest(layers));
    const place = home.place("mnt");
    const { code, stderr } = await home.riffle(["mount", `${liar.host}/t/x:v`, place]);
    expect(code).toBe(0);
    const warnings = stderr.trimEnd().split("\n");
    expect(warnings).toHaveLength(12);
    // oxlint-disable-next-line no-control-regex -- nothing that a terminal would obey
    for (const line of warnings) expect(line).toMatch(/^riffle: warning: [^\u0000-\u001f\u007f]+$/);
    const found = await home.sh(`cd ${place} && find . -type f | LC_ALL=C sort`);
    const nameless = [sha256("n2"), sha256("n3")].map((digest) => `./sha256-${digest.slice(7, 19)}`);
    const expected = ["./.oci~file", "./abs", "./clash/in", "./clash~file", "./dup", "./dup~2", "./etc/passwd"];
    expect(found.stdout.toString().trim().split("\n")).toEqual([...expected, ...nameless.sort()]);
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
  });
});

describe("a registry", () => {
  test("whose host nobody knows", () =>
    fails(["ls", "no-such-host.invalid/a/b:c", "--timeout", "5s"], 7, /no-such-host.invalid .*host name|looked up/));

  test("that refuses the port", () => fails(["ls", "127.0.0.1:1/a/b:c"], 7, /127.0.0.1:1 refused the connection/));

  describe.skipIf(!HAS_OPENSSL)(`over TLS${HAS_OPENSSL ? "" : ": skipped, no openssl"}`, () => {
    test("with a certificate of an unknown authority, which --ca-file makes known", async () => {
      const cleanups: (() => void)[] = [];
      const folder = temporaryFolder(cleanups);
      const { key, cert, caFile } = makeCertificate(folder);
      let requests = 0;
      const server = createTlsServer({ key, cert }, (_, response) => {
        requests += 1;
        sendManifest(response, good);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      // a TCP server's
      const { port } = server.address() as AddressInfo;
      const reference = `localhost:${port}/a/b:c`;
      try {
        await fails(["ls", reference], 7, /certificate that is signed by an authority this machine does not know/);
        expect(requests).toBe(0);
        expect(await home.riffle(["ls", reference, "--ca-file", caFile])).toMatchObject({ code: 0, stdout: "a\n" });
        expect(await home.riffle(["ls", reference, "--insecure"])).toMatchObject({ code: 0, stdout: "a\n" });
      } finally {
        server.close();
        server.closeAllConnections();
        for (const cleanup of cleanups) cleanup();
      }
    });
  });

  describe("that is honest", () => {
    let registry: RegistryHandle;
    beforeAll(async () => {
      registry = await spawnRegistry();
      const file = { title: "a", content: { kind: "bytes" as const, bytes: Buffer.from("a") } };
      const artifact = await buildArtifact({ files: [file] });
      await seedArtifact(registry, { repository: "t/x", tag: "v" }, artifact);
      const platform = { os: "plan9", architecture: "mips" };
      const { bytes, descriptor } = buildIndex([{ ...artifact.descriptor, platform }]);
      await registry.addManifest("t/x", { mediaType: descriptor.mediaType, bytes, tag: "index" });
    });
    afterAll(() => registry.close());
    beforeEach(async () => {
      await registry.configure({ auth: { kind: "none" } });
      await registry.reset();
    });

    test.each([
      ["repository", "t/none:v", /no tag v|no repository|t\/none/],
      ["tag", "t/x:none", /t\/x has no tag none/],
      ["digest", `t/x@${DIGEST}`, /t\/x has no manifest sha256:ca97/],
      ["platform", "t/x:index", /linux\/.*plan9\/mips/],
    ])("does not have that %s", async (_, rest, says) => {
      await fails(["ls", `${registry.host}/${rest}`], 3, says);
      expect((await registry.counters()).requests).toBeLessThanOrEqual(2);
    });

    test("does not have that path", () => fails(["cat", `${registry.host}/t/x:v`, "b"], 3, /b/));

    test.each([
      ["Basic", { kind: "basic", username: "me", password: "right" }],
      ["Bearer", { kind: "bearer", username: "me", password: "right" }],
    ] as const)("does not take that password (%s), or none at all", async (_, auth) => {
      await registry.configure({ auth });
      const reference = `${registry.host}/t/x:v`;
      const given = ["ls", reference, "--username", "me", "--password-stdin"];
      const wrong = await home.riffle(given, { input: "wr0ng-secret\n" });
      expect([wrong.code, wrong.stdout]).toEqual([4, ""]);
      expect(wrong.stderr).toMatch(/^riffle: ls: [^\n]+\n$/);
      expect(wrong.stderr).not.toContain("wr0ng-secret");
      await fails(["ls", reference], 4, /riffle login/);
      expect((await registry.counters()).requests).toBeLessThanOrEqual(8);
      expect(await home.riffle(given, { input: "right\n" })).toMatchObject({ code: 0, stdout: "a\n" });
    });
  });
});
