import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chownSync, chmodSync, readdirSync, symlinkSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { noise, type Content } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { sha256 } from "../support/liar.ts";
import { hasProgram, mountObstacle, run, temporaryFolder, type Folder, type RunResult } from "../support/processes.ts";
import { ROOT } from "../support/root.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

const obstacle = mountObstacle();
const BYTES = 2 * 1024 * 1024;
const content: Content = { kind: "noise", seed: 31, size: BYTES };
const DIGEST = sha256(noise(31, { start: 0, end: BYTES })).slice(7);

let registry: RegistryHandle;
let reference: string;
beforeAll(async () => {
  registry = await spawnRegistry();
  const files = [{ title: "a.bin", content }];
  ({ reference } = await putArtifact(registry, { repository: "t/x", tag: "v" }, { files }));
});
afterAll(() => registry.close());

describe.skipIf(obstacle !== undefined)(
  `a mount point${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`,
  () => {
    let home: FaultHome;
    beforeEach(() => {
      home = faultHome();
    });
    afterEach(() => home.end());

    test("that is missing: 3, and how to make it", async () => {
      const place = join(home.path, "none");
      const { code, stdout, stderr } = await home.riffle(["mount", reference, place]);
      expect([code, stdout]).toEqual([3, ""]);
      expect(stderr).toBe(`riffle: mount: mountpoint ${place} does not exist (mkdir -p ${place})\n`);
      expect(existsSync(place)).toBe(false);
    });

    test("that is a file, or a link to one: 2", async () => {
      const file = join(home.path, "file");
      writeFileSync(file, "mine");
      symlinkSync(file, join(home.path, "link"));
      for (const name of ["file", "link"]) {
        const { code, stderr } = await home.riffle(["mount", reference, join(home.path, name)]);
        expect([code, stderr]).toEqual([2, expect.stringMatching(/^riffle: mount: [^\n]*not a directory[^\n]*\n$/)]);
      }
      expect(readFileSync(file, "utf8")).toBe("mine");
    });

    test("that is not empty: a warning, it works, and what was there comes back", async () => {
      const place = home.place("full");
      writeFileSync(join(place, "mine"), "");
      const { code, stderr } = await home.riffle(["mount", reference, place]);
      expect([code, stderr]).toEqual([0, `riffle: warning: ${place} is not empty: the mount hides what it holds\n`]);
      expect((await home.sh(`ls ${place}`)).stdout.toString()).toBe("a.bin\n");
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
      expect(readdirSync(place)).toEqual(["mine"]);
    });

    test("that is a riffle mount already, or lies in one: said, and the mount there goes on", async () => {
      const place = home.place("mnt");
      expect(await home.riffle(["mount", reference, place])).toMatchObject({ code: 0 });
      const again = await home.riffle(["mount", reference, place]);
      expect(again.code).toBe(1);
      expect(again.stderr).toMatch(/^riffle: mount: [^\n]* is already a mount of [^\n]* \(riffle unmount [^\n]*\)\n$/);
      const within = await home.riffle(["mount", reference, join(place, "a.bin")]);
      expect([within.code, within.stderr]).toEqual([1, expect.stringMatching(/lies in a mount of/)]);
      expect((await home.sh(`sha256sum < ${place}/a.bin`)).stdout.toString()).toBe(`${DIGEST}  -\n`);
      expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
    });
  },
);

/**
 * `/dev/fuse` as another machine may have it: a mount namespace with a /dev of its own, so that nothing changes for anybody
 * else, and what is mounted in it goes with it.
 */
const OTHER_DEV = `
mode=$1; dev=$2; shift 2
mount -t tmpfs -o dev,mode=755 riffle-test "$dev" || exit 99
for name in null zero full random urandom; do cp -a /dev/$name "$dev/" || exit 99; done
if [ "$mode" != none ]; then mknod "$dev/fuse" c 10 229 && chmod "$mode" "$dev/fuse" || exit 99; fi
ln -s /proc/self/fd "$dev/fd"
mount --bind "$dev" /dev || exit 99
exec "$@"
`;
const NOBODY = 65_534;
const namespaces = process.getuid?.() === 0 && ["unshare", "setpriv"].every(hasProgram) && existsSync("/dev/fuse");
const why = namespaces ? "" : ": skipped, needs root, unshare, setpriv and /dev/fuse";

describe.skipIf(!namespaces)(`another user and another /dev/fuse${why}`, () => {
  let folder: Folder;
  let program: string;
  let node: string;
  beforeAll(() => {
    folder = temporaryFolder("other-user");
    chmodSync(folder.path, 0o755);
    // the checkout may lie where nobody else may look
    const app = folder.sub("app");
    cpSync(`${ROOT}dist`, join(app, "dist"), { recursive: true });
    cpSync(`${ROOT}package.json`, join(app, "package.json"));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own package.json
    const { dependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { dependencies: object };
    for (const name of [...Object.keys(dependencies), "@koromix"]) {
      const from = `${ROOT}node_modules/${name}`;
      if (existsSync(from)) cpSync(from, join(app, "node_modules", name), { recursive: true, dereference: true });
    }
    program = join(app, "dist/cli/main.js");
    // so may this Node
    node = join(app, "node");
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o755);
  });
  afterAll(() => folder.remove());

  let home: FaultHome;
  let script: string;
  beforeEach(() => {
    home = faultHome();
    for (const path of [home.path, home.place("mnt"), home.place("tmp")]) chownSync(path, NOBODY, NOBODY);
    script = `riffle() { "${node}" "${program}" "$@"; }; place=${home.path}/mnt; reference=${reference}; cd ${home.path}\n`;
  });
  afterEach(() => home.end());

  /** Runs `text` in sh, as `user`, where /dev/fuse has `mode`. */
  const there = (
    mode: "none" | "600" | "666",
    text: string,
    user: "nobody" | "root" = "nobody",
  ): Promise<RunResult> => {
    const words = user === "root" ? [] : ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const inner = [...words, "env", "-i", ...Object.entries(home.environment).map(([key, value]) => `${key}=${value}`)];
    const dev = home.place("dev");
    const args = ["-m", "sh", "-c", OTHER_DEV, "sh", mode, dev, ...inner, "sh", "-c", script + text];
    return run("unshare", args, { timeoutMs: 60_000 });
  };

  test.each(["root", "nobody"] as const)("no /dev/fuse: 8 for %s, and doctor says the same", async (user) => {
    const { stdout, stderr } = await there(
      "none",
      "riffle mount $reference $place; echo $?; riffle doctor; true",
      user,
    );
    expect(stderr).toMatch(/^riffle: mount: \/dev\/fuse does not exist \([^\n]*--device \/dev\/fuse\)\n$/);
    expect(stdout.toString()).toMatch(/^8\n[^]*fail +\/dev\/fuse: is missing/);
    const inner = await there("none", "riffle run $reference -- true; echo $?", user);
    expect([inner.stdout.toString(), inner.stderr]).toEqual([
      "125\n",
      expect.stringContaining("/dev/fuse does not exist"),
    ]);
    // the bytes can be had all the same
    expect((await there("none", "riffle cat $reference a.bin | sha256sum", user)).stdout.toString()).toContain(DIGEST);
  });

  test("/dev/fuse of mode 0600: 8 for a user, naming the mode, with the remedy", async () => {
    const { stdout, stderr } = await there("600", "riffle mount $reference $place; echo $?; riffle doctor; true");
    expect(stderr).toMatch(/^riffle: mount: \/dev\/fuse has mode 0600[^\n]*\(chmod 666 \/dev\/fuse[^\n]*\)\n$/);
    expect(stdout.toString()).toMatch(/^8\n[^]*fail +\/dev\/fuse: cannot be opened: EACCES \(mode 0600\) \(chmod/);
  });

  describe.skipIf(!hasProgram("fusermount3"))(
    `with fusermount3${hasProgram("fusermount3") ? "" : ": skipped, none"}`,
    () => {
      test("a mount by an ordinary user, from end to end", async () => {
        const { status, stdout, stderr } = await there(
          "666",
          `set -e
        riffle mount $reference $place
        sha256sum < $place/a.bin
        grep " $place " /proc/mounts
        stat -c '%U %a' $place/a.bin
        riffle status --json
        riffle unmount $place
        ! grep " $place " /proc/mounts
        riffle run -q $reference -- sha256sum a.bin
        ls -A $place runtime/riffle tmp`,
        );
        expect([status, stderr]).toEqual([0, ""]);
        const text = stdout.toString();
        expect(text.split(DIGEST)).toHaveLength(3);
        expect(text).toMatch(/ fuse\.riffle ro,nosuid,nodev,[^\n]*user_id=65534/);
        expect(text).toContain("nobody 444\n");
        expect(text).toMatch(/"state":"ready"/);
        expect(text.endsWith(`${home.path}/mnt:\n\nruntime/riffle:\n\ntmp:\n`)).toBe(true);
      });

      test("an ordinary user cannot cover a directory of another user", async () => {
        chownSync(home.place("roots"), 0, 0);
        chmodSync(home.place("roots"), 0o755);
        mkdirSync(join(home.path, "closed/mnt"), { recursive: true });
        chmodSync(join(home.path, "closed"), 0o700);
        for (const name of ["roots", "closed/mnt"]) {
          const { stdout, stderr } = await there("666", `riffle mount $reference ${name}; echo $?`);
          expect([stdout.toString(), stderr]).toEqual(["8\n", expect.stringMatching(/^riffle: mount: [^\n]+\n$/)]);
        }
      });

      test("a dead and a hung mount are this user's to remove", async () => {
        const { stdout, stderr } = await there(
          "666",
          `pid() { riffle status --json | sed 's/.*"pid":\\([0-9]*\\).*/\\1/'; }
        riffle mount -q $reference $place >&2; kill -9 $(pid); riffle status -q | grep -c dead; riffle unmount $place; echo $?
        riffle mount -q $reference $place >&2; stopped=$(pid); kill -STOP $stopped; riffle status -q | grep -c hung; riffle unmount $place; echo $?
        grep -c " $place " /proc/mounts; ls -A runtime/riffle`,
        );
        expect(stdout.toString()).toBe("1\n0\n1\n0\n0\n");
        expect(stderr.replaceAll(/^(?:mounted|riffle: warning:) [^\n]*\n/gm, "")).toBe("");
      });
    },
  );
});
