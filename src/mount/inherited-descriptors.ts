import { closeSync, readFileSync, readdirSync } from "node:fs";

/** O_CLOEXEC as `/proc/<pid>/fdinfo` shows it among the octal flags (proc(5)). */
const CLOSE_ON_EXEC = 0o2000000n;

/**
 * Closes every descriptor but the standard three that came with the process's start: pipes and locks of a script that
 * called us must not stay open as long as a mount. Node opens its own with close-on-exec, and what was inherited cannot
 * have it, but for those that Node marked itself: it opens none of these across a spawn.
 */
export function closeInherited(): void {
  for (const name of descriptors()) {
    const fd = Number(name);
    if (fd <= 2) continue;
    try {
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
      if (flags !== undefined && (BigInt(`0o${flags}`) & CLOSE_ON_EXEC) === 0n) closeSync(fd);
    } catch {
      // The listing's own descriptor.
    }
  }
}

function descriptors(): readonly string[] {
  try {
    return readdirSync("/proc/self/fd");
  } catch {
    return [];
  }
}
