import { describe, expect, test, vi } from "vitest";
import { noise } from "../support/content.ts";
import { faultyMount } from "../support/faults/faulty-mount.ts";
import { mountObstacle } from "../support/processes.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

const obstacle = mountObstacle();
const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const files = [
  { title: "hello.txt", bytes: text("hello\n") },
  { title: "hello.txt", bytes: text("again\n") },
  { title: "../outside/x.txt", bytes: text("inside\n") },
  { title: "data/a.bin", bytes: noise(1, { start: 0, end: 70_000 }) },
];

describe.skipIf(obstacle !== undefined)(`the tree${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  const mount = faultyMount({ files });

  test("a tag that moves changes nothing under a mount", async () => {
    const moved = [{ title: "hello.txt", bytes: text("moved\n") }];
    mount.registry.moveTag(moved);
    expect(await mount.sh("cat hello.txt; ls data")).toBe("hello\na.bin\n");
    const { stdout } = await mount.home.riffle(["cat", mount.registry.reference, "hello.txt"]);
    expect(stdout).toBe("moved\n");
    mount.registry.moveTag(files);
  });

  test("a digest names the same bytes for ever", async () => {
    const pinned = (await mount.sh("cat .oci/reference")).trim();
    expect(pinned).toMatch(/^127\.0\.0\.1:\d+\/t\/x@sha256:[0-9a-f]{64}$/);
    mount.registry.moveTag([{ title: "hello.txt", bytes: text("moved\n") }]);
    expect(await mount.home.riffle(["cat", pinned, "hello.txt"])).toMatchObject({ code: 0, stdout: "hello\n" });
    mount.registry.moveTag(files);
  });

  test("two layers of one name are two files", async () => {
    expect(await mount.sh("cat hello.txt hello~2.txt")).toBe("hello\nagain\n");
  });

  test("a name that leaves the root is brought inside it", async () => {
    expect(await mount.sh("cat outside/x.txt")).toBe("inside\n");
  });

  test("files are 0444 and directories 0555, of the mounting user", async () => {
    const owner = `${process.getuid?.() ?? 0}`;
    expect(await mount.sh("stat -c '%a %u' hello.txt data .")).toBe(`444 ${owner}\n555 ${owner}\n555 ${owner}\n`);
  });

  test("an inode number is the same in every mount of a digest, whatever is hidden", async () => {
    const other = mount.home.place("other");
    const words = ["mount", "-q", mount.registry.reference, other, "--include", "data/**"];
    expect(await mount.home.riffle(words)).toMatchObject({ code: 0 });
    try {
      const [first, second] = (await mount.sh(`stat -c %i data/a.bin ${other}/data/a.bin`)).trim().split("\n");
      expect(first).toBe(second);
    } finally {
      expect(await mount.home.riffle(["unmount", other])).toMatchObject({ code: 0 });
    }
  });

  test("everything that writes is refused with EROFS", async () => {
    for (const script of ["echo > new", "echo >> hello.txt", "rm hello.txt", "mkdir d", "chmod 600 hello.txt"]) {
      const { status, stderr } = await mount.home.sh(`cd ${mount.place}; ${script}`);
      expect([script, status === 0, stderr]).toEqual([script, false, expect.stringMatching(/read-only/i)]);
    }
  });

  test("a name that does not exist is ENOENT, and asks the registry for nothing", async () => {
    const { stderr } = await mount.home.sh(`cat ${mount.place}/none`);
    expect([stderr, mount.registry.requests()]).toEqual([expect.stringMatching(/No such file/), 0]);
  });

  test(".oci is opened by name and not listed", async () => {
    expect(await mount.sh("ls -A; ls .oci | sort | tr '\\n' ' '")).toMatch(
      /^data\nhello\.txt\nhello~2\.txt\noutside\n.*errors.*manifest\.json.*reference.*stats\.json/,
    );
  });

  test("reading .oci/stats.json counts nowhere", async () => {
    const stats = JSON.parse(
      await mount.sh("cat .oci/stats.json .oci/errors >/dev/null; cat .oci/stats.json"),
    ) as object; // ours
    expect(JSON.parse(await mount.sh("cat .oci/stats.json"))).toEqual({
      ...stats,
      cache: expect.any(Object) as unknown,
    });
  });
});
