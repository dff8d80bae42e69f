import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { mountObstacle } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const obstacle = mountObstacle();
const PYTHON_TAR = `
import sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as tar: tar.add("tree", arcname="tree")
`;

/** Commands that write FILE from the folder tree; those that a machine lacks are left out by name. */
const WRITERS = (
  [
    ["GNU tar", ["tar", "--version"], (file) => ["tar", "--format=gnu", "-cf", file, "tree"]],
    ["GNU tar, pax", ["tar", "--version"], (file) => ["tar", "--format=pax", "-cf", file, "tree"]],
    ["bsdtar", ["bsdtar", "--version"], (file) => ["bsdtar", "-cf", file, "tree"]],
    ["Python", ["python3", "--version"], (file) => ["python3", "-c", PYTHON_TAR, file]],
  ] satisfies readonly (readonly [string, readonly string[], (file: string) => readonly string[]])[]
).map(([name, probe, words]) => {
  const [program = "", ...args] = probe;
  return { name, isThere: spawnSync(program, args).status === 0, words };
});

/** A mount is never read by this process. */
const sh = (script: string, cwd: string): { readonly code: number | null; readonly text: string } => {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8", cwd });
  return { code: status, text: stdout + stderr };
};

describe.skipIf(obstacle !== undefined)(
  `unpacked mounts${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let registry: RegistryHandle;
    let home: Home;
    let dir: string;

    beforeAll(async () => {
      registry = await spawnRegistry();
    });
    afterAll(() => registry.close());
    beforeEach(() => {
      home = createHome();
      dir = join(home.path, "mnt");
      mkdirSync(dir);
      const made = sh(
        `mkdir -p tree/sub/deep tree/empty && cd tree && head -c 700000 /dev/urandom >big.bin && ln big.bin sub/hard.bin &&
       echo hi >sub/deep/hi.txt && ln -s deep/hi.txt sub/link && chmod 0751 sub && chmod 0600 sub/deep/hi.txt && : >empty.txt &&
       mkdir -p "$(printf 'long-%0100d/long-%0100d' 1 2)" && echo x >"$(printf 'long-%0100d/long-%0100d/n-%0150d' 1 2 3)" &&
       touch -d '2020-01-02 03:04:05' big.bin && for i in 1 2 3 4 5 6 7 8 9; do head -c $((i * 40000)) big.bin >sub/$i.bin; done`,
        home.path,
      );
      expect(made.text).toBe("");
    });
    afterEach(async () => {
      if (sh("cat /proc/mounts", "/").text.includes(` ${dir} fuse.riffle`)) await run(["unmount", "--lazy", dir]);
      home.remove();
    });

    const run = (words: readonly string[]): Promise<Outcome> => riffle(words, { home });

    for (const { name, isThere, words } of WRITERS) {
      test.skipIf(!isThere)(`${name}: equal to what was packed, by diff, mode, time and links`, async () => {
        const file = join(home.path, "made.tar");
        const [program = "", ...args] = words(file);
        expect(spawnSync(program, args, { cwd: home.path }).status).toBe(0);
        const content = { kind: "bytes" as const, bytes: readFileSync(file) };
        const place = { repository: "t/unpack", tag: "v1" };
        const { reference } = await putArtifact(registry, place, { files: [{ title: "made.tar", content }] });
        expect(await run(["mount", "--unpack", "all", reference, dir])).toMatchObject({ code: 0, stderr: "" });
        expect(sh(`diff -r --no-dereference tree ${dir}/made.tar/tree`, home.path)).toEqual({ code: 0, text: "" });
        const facts = `find . \\( -type d -printf '%p %m %Ts\\n' \\) -o -printf '%p %m %s %n %Ts %l\\n' | sed 's/\\.0*$//' | sort`;
        expect(sh(`cd ${dir}/made.tar/tree && ${facts}`, home.path).text).toBe(
          sh(`cd tree && ${facts}`, home.path).text,
        );
        expect(sh("test big.bin -ef sub/hard.bin", join(home.path, "tree")).code).toBe(0);
        expect(sh(`test ${dir}/made.tar/tree/big.bin -ef ${dir}/made.tar/tree/sub/hard.bin`, home.path).code).toBe(0);
        expect(await run(["unmount", dir])).toMatchObject({ code: 0 });
      });
    }

    test("ls, cat, cp, run and inspect see members", async () => {
      const file = join(home.path, "made.tar");
      expect(spawnSync("tar", ["-cf", file, "tree"], { cwd: home.path }).status).toBe(0);
      const content = { kind: "bytes" as const, bytes: readFileSync(file) };
      const place = { repository: "t/words", tag: "v1" };
      const { reference } = await putArtifact(registry, place, { files: [{ title: "made.tar", content }] });
      const all = ["--unpack", "all"];
      expect((await run(["ls", ...all, reference, "made.tar/tree/sub/deep"])).stdout).toBe("hi.txt\n");
      expect((await run(["ls", reference])).stdout).toBe("made.tar\n");
      expect((await run(["cat", ...all, reference, "made.tar/tree/sub/deep/hi.txt"])).stdout).toBe("hi\n");
      expect((await run(["cp", ...all, reference, "made.tar/tree", join(home.path, "out")])).code).toBe(0);
      expect(sh("diff -r --no-dereference tree out", home.path)).toEqual({ code: 0, text: "" });
      expect((await run(["run", ...all, reference, "--", "cat", "{}/made.tar/tree/sub/link"])).stdout).toBe("hi\n");
      const { layers } = JSON.parse((await run(["inspect", ...all, "--json", reference])).stdout) as {
        layers: readonly unknown[];
      };
      expect(layers).toMatchObject([{ path: "made.tar", unpacked: { omitted: 0 } }]);
    });
  },
);
