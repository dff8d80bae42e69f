import { spawn } from "node:child_process";
import { SYSTEM_PATH } from "./program.ts";

export interface ToolResult {
  readonly ok: boolean;
  /** Its complaint: one line. */
  readonly complaint: string;
}

const TOOL_TIMEOUT_MS = 5000;
const MAX_COMPLAINT = 500;

/** Runs a program of the system and ends it, with a failure, when it takes too long. Never rejects. */
export function runTool(program: string, args: readonly string[]): Promise<ToolResult> {
  return new Promise((resolve) => {
    let complaint = "";
    // What it says is matched, so it must say it in one language.
    const env = { PATH: SYSTEM_PATH, LC_ALL: "C" };
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], cwd: "/", env });
    // A tool that is stuck in the kernel does not die: do not wait for it.
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.unref();
      resolve({ ok: false, complaint: `${program} did not end` });
    }, TOOL_TIMEOUT_MS);
    child.stderr.on("data", (chunk: Buffer) => {
      if (complaint.length < MAX_COMPLAINT) complaint += chunk.toString("utf8");
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve({ ok: false, complaint: error.message });
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ ok: code === 0, complaint: complaint.trim().split("\n")[0]?.slice(0, MAX_COMPLAINT) ?? "" });
    });
  });
}

/**
 * Takes a mount out of the tree without its process's help, by the first tool that can. `fusermount3` comes first: it looks
 * at the parent alone, so a mount that does not answer cannot hold it.
 */
export async function unmountByTool(mountpoint: string, options: { readonly lazy: boolean }): Promise<ToolResult> {
  const flag = options.lazy ? "-uz" : "-u";
  const root = process.getuid?.() === 0;
  const attempts: readonly (readonly [string, readonly string[]])[] = [
    ["fusermount3", [flag, "--", mountpoint]],
    ["fusermount", [flag, "--", mountpoint]],
    ["umount", [...(options.lazy ? ["-l"] : []), ...(root ? ["-i", "-c"] : []), "--", mountpoint]],
  ];
  let complaint = "";
  for (const [program, args] of attempts) {
    const result = await runTool(program, args);
    if (result.ok) return result;
    complaint ||= result.complaint;
    // Asking another tool would not make it less busy.
    if (/busy/i.test(result.complaint)) return result;
  }
  return { ok: false, complaint };
}
