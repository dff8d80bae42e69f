import { accessSync, closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { release } from "node:os";
import { delimiter, join } from "node:path";
import { fail, ok, warn, type Check } from "./check.ts";

export interface Machine {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly platform?: string;
  readonly nodeVersion?: string;
  readonly kernelRelease?: string;
  readonly uid?: number;
  readonly fuseDevice?: string;
  readonly fuseConfiguration?: string;
}

/** `[major, minor]` of `6.18.44-generic` or `v20.19.0`. */
export function versionPair(text: string): readonly [number, number] {
  const match = /^v?(\d{1,6})\.(\d{1,6})/.exec(text);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

export function isAtLeast(text: string, major: number, minor: number): boolean {
  const [a, b] = versionPair(text);
  return a > major || (a === major && b >= minor);
}

function nodeCheck(version: string): Check {
  if (isAtLeast(version, 20, 19)) return ok("node", version);
  return fail("node", `${version} is too old`, "install Node.js 20.19 or later");
}

/** FUSE 7.31 came with Linux 5.2, mmap of direct files with 6.6, passthrough with 6.9 (fuse.h, "FUSE protocol revision"). */
function kernelCheck(kernel: string, uid: number): Check {
  if (!isAtLeast(kernel, 5, 2)) return fail("kernel", `Linux ${kernel} has no FUSE 7.31`, "use Linux 5.2 or later");
  const mmap = isAtLeast(kernel, 6, 6) ? "mmap of cold files" : "mmap through the page cache";
  if (!isAtLeast(kernel, 6, 6)) return ok("kernel", `Linux ${kernel}: ${mmap}, no passthrough (needs 6.9)`);
  if (!isAtLeast(kernel, 6, 9)) return ok("kernel", `Linux ${kernel}: ${mmap}, no passthrough (needs 6.9)`);
  return ok("kernel", `Linux ${kernel}: ${mmap}, passthrough${uid === 0 ? "" : " for root alone"}`);
}

function octal(mode: number): string {
  return `0${(mode & 0o7777).toString(8)}`;
}

/** Opens the device as a mount would; nothing is mounted by that. */
function deviceCheck(path: string): Check {
  let mode: string;
  try {
    const stat = statSync(path);
    mode = octal(stat.mode);
    if (!stat.isCharacterDevice()) return fail(path, `is no device (mode ${mode})`, "load the kernel's fuse module");
  } catch {
    return fail(path, "is missing", "modprobe fuse; in a container: --device /dev/fuse");
  }
  try {
    closeSync(openSync(path, constants.O_RDWR));
    return ok(path, `can be opened (mode ${mode})`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // fs gives errno errors alone
    const remedy =
      code === "EACCES"
        ? "chmod 0666 /dev/fuse as root, or join the group that owns it"
        : "in a container: --device /dev/fuse --cap-add SYS_ADMIN";
    return fail(path, `cannot be opened: ${code ?? "unknown error"} (mode ${mode})`, remedy);
  }
}

export function findProgram(name: string, path: string): string | undefined {
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder === "" ? "." : folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return undefined;
}

function fusermountCheck(path: string, uid: number): Check {
  const name = "fusermount3";
  const remedy = "install the fuse3 package; riffle mount as root works without it";
  const found = findProgram(name, path);
  if (found === undefined)
    return uid === 0 ? ok(name, "is missing, and root needs none") : fail(name, "is missing", remedy);
  const { mode, uid: owner } = statSync(found);
  if (uid === 0 || ((mode & 0o4000) !== 0 && owner === 0)) return ok(name, found);
  return warn(
    name,
    `${found} is not setuid root (mode ${octal(mode)})`,
    "chmod u+s as root, where no capability stands for it",
  );
}

/** Loads a native package in this process, as a mount would. */
async function packageCheck(name: string, onFailure: (why: string) => Check, present: string): Promise<Check> {
  try {
    createRequire(import.meta.url).resolve(name);
  } catch {
    return onFailure("is not installed");
  }
  try {
    await import(name);
    return ok(name, present);
  } catch (error) {
    return onFailure(`does not load: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : ""}`);
  }
}

function allowOtherCheck(path: string, uid: number): Check {
  const name = "allow-other";
  if (uid === 0) return ok(name, "root may use --allow-other");
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // No file: the default holds.
  }
  if (/^[ \t]*user_allow_other[ \t]*$/m.test(text)) return ok(name, `${path} has user_allow_other`);
  return warn(
    name,
    `--allow-other is not allowed: ${path} lacks user_allow_other`,
    `add the line user_allow_other to ${path}`,
  );
}

/** What mounting needs, in the order in which a mount would miss it. */
export async function machineChecks(machine: Machine): Promise<readonly Check[]> {
  const { environment, platform = process.platform, nodeVersion = process.version } = machine;
  const { kernelRelease = release(), uid = process.getuid?.() ?? 0 } = machine;
  const { fuseDevice = "/dev/fuse", fuseConfiguration = "/etc/fuse.conf" } = machine;
  const second = "the libfuse backend is not available; the kernel backend does not need it";
  const libfuse = await packageCheck(
    "fuse-native",
    (why) =>
      platform === "linux"
        ? warn("fuse-native", why, second)
        : fail("fuse-native", why, "install macFUSE, then rifflefs anew"),
    "loads: --backend libfuse is available",
  );
  if (platform !== "linux") {
    return [nodeCheck(nodeVersion), ok("system", `${platform}: the libfuse backend is used`), libfuse];
  }
  const koffi = await packageCheck(
    "koffi",
    (why) =>
      (uid === 0 ? warn : fail)("koffi", why, "install rifflefs anew on this machine; without it only root can mount"),
    "loads",
  );
  return [
    nodeCheck(nodeVersion),
    kernelCheck(kernelRelease, uid),
    deviceCheck(fuseDevice),
    fusermountCheck(environment["PATH"] ?? "", uid),
    koffi,
    libfuse,
    allowOtherCheck(fuseConfiguration, uid),
  ];
}
