import { describe, expect, test } from "vitest";
import { hasPython, python } from "../support/python.ts";
import { BIG_BYTES, pattern, SOURCE } from "../support/served-memory.ts";

/** The system calls that Node lacks, made by Python. */
export function mountCalls(backend: string, mount: () => { readonly mountpoint: string }): void {
  const lacks = !hasPython();
  if (lacks) console.warn("SKIPPED: mount conformance of mmap, O_DIRECT, xattrs, flock: no python3");
  describe.skipIf(lacks)(`system calls on a mount by the ${backend} backend`, () => {
    test("has the extended attributes of a layer, each once, live ones among them", () => {
      const script = `
f = path("hello.txt")
names = os.listxattr(f)
print(json.dumps({"names": sorted(names), "values": {n: os.getxattr(f, n).decode() for n in names},
  "missing": error(lambda: os.getxattr(f, "user.nothing")), "plain": os.listxattr(path("empty")), "root": os.listxattr(root)}))`;
      expect(python(mount().mountpoint, script)).toEqual({
        names: [
          "user.oci.annotation.org.example.note",
          "user.oci.cached",
          "user.oci.digest",
          "user.oci.mediatype",
          "user.oci.verified",
        ],
        values: {
          "user.oci.annotation.org.example.note": "größe",
          "user.oci.cached": "0",
          "user.oci.digest": "sha256:aa",
          "user.oci.mediatype": "text/plain",
          "user.oci.verified": "transport",
        },
        missing: "ENODATA",
        plain: [],
        root: [],
      });
    });

    test("answers EROFS to everything that would change it", () => {
      const script = `
tries = {
  "create": lambda: os.open(path("new"), os.O_CREAT | os.O_WRONLY),
  "write": lambda: os.open(path("hello.txt"), os.O_WRONLY),
  "append": lambda: os.open(path("hello.txt"), os.O_RDWR | os.O_APPEND),
  "unlink": lambda: os.unlink(path("hello.txt")),
  "mkdir": lambda: os.mkdir(path("new")),
  "rmdir": lambda: os.rmdir(path("void")),
  "rename": lambda: os.rename(path("hello.txt"), path("other")),
  "link": lambda: os.link(path("hello.txt"), path("other")),
  "symlink": lambda: os.symlink("x", path("other")),
  "chmod": lambda: os.chmod(path("hello.txt"), 0o600),
  "chown": lambda: os.chown(path("hello.txt"), 0, 0),
  "truncate": lambda: os.truncate(path("hello.txt"), 0),
  "utime": lambda: os.utime(path("hello.txt"), (0, 0)),
  "mknod": lambda: os.mknod(path("new")),
  "setxattr": lambda: os.setxattr(path("hello.txt"), "user.x", b"1"),
  "removexattr": lambda: os.removexattr(path("hello.txt"), "user.oci.digest"),
}
print(json.dumps({name: error(call) for name, call in tries.items()}))`;
      const answers = python(mount().mountpoint, script) as Record<string, string>;
      expect(Object.keys(answers)).toHaveLength(16);
      expect(new Set(Object.values(answers))).toEqual(new Set(["EROFS"]));
    });

    test("maps files privately and shared, and through a closed descriptor", () => {
      const script = `
out = []
for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
    for name in ("big.bin", "kept.bin"):
        fd = os.open(path(name), os.O_RDONLY)
        m = mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ)
        os.close(fd)
        out.append([len(m), list(m[700001:700004]), list(m[-3:])])
        m.close()
print(json.dumps(out))`;
      const at3 = (start: number): number[] => [...pattern(SOURCE.big, start, start + 3)];
      const big = [BIG_BYTES, at3(700_001), at3(BIG_BYTES - 3)];
      const kept = [1_000_000, at3(700_001), at3(999_997)];
      expect(python(mount().mountpoint, script)).toEqual([big, kept, big, kept]);
    });

    test("reads with O_DIRECT, sends by sendfile, seeks data and holes, locks, asks for access", () => {
      const script = `
fd = os.open(path("big.bin"), os.O_RDONLY | os.O_DIRECT)
m = mmap.mmap(-1, 8192)
n = os.preadv(fd, [m], 8192)
direct = [n, list(m[:3])]
os.close(fd)
fd = os.open(path("big.bin"), os.O_RDONLY)
size = os.fstat(fd).st_size
r, w = os.pipe()
sent = os.sendfile(w, fd, 5000, 3000)
sendfile = list(os.read(r, sent)[:3])
seek = [os.lseek(fd, 10, os.SEEK_DATA), os.lseek(fd, 10, os.SEEK_HOLE) == size, error(lambda: os.lseek(fd, size, os.SEEK_DATA))]
fcntl.flock(fd, fcntl.LOCK_SH)
other = os.open(path("big.bin"), os.O_RDONLY)
fcntl.flock(other, fcntl.LOCK_SH)
locked = error(lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
os.fsync(fd)
print(json.dumps({"direct": direct, "sendfile": sendfile, "seek": seek, "locked": locked,
  "access": [os.access(path("owned"), os.X_OK), os.access(path("hello.txt"), os.X_OK), os.access(path("hello.txt"), os.W_OK)]}))`;
      expect(python(mount().mountpoint, script)).toEqual({
        direct: [8192, [...pattern(SOURCE.big, 8192, 8195)]],
        sendfile: [...pattern(SOURCE.big, 5000, 5003)],
        seek: [10, true, "ENXIO"],
        locked: "EAGAIN",
        access: [true, false, false],
      });
    });

    test("copies into another file system by copy_file_range's fallback", () => {
      const script = `
import shutil, tempfile
with tempfile.TemporaryDirectory() as d:
    shutil.copyfile(path("kept.bin"), d + "/c")
    with open(d + "/c", "rb") as f: b = f.read()
print(json.dumps([len(b), list(b[-3:])]))`;
      expect(python(mount().mountpoint, script)).toEqual([1_000_000, [...pattern(SOURCE.big, 999_997, 1_000_000)]]);
    });
  });
}
