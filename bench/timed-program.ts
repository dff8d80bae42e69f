import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Bench } from "./context.ts";

/**
 * Runs a program that warms up, prints `ready`, waits for a line, and prints one line about what it then did: the registry counts from
 * that line on.
 */
export async function timedProgram(bench: Bench, program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  try {
    return await Promise.race([failed, exchange()]);
  } finally {
    child.kill();
  }

  async function exchange(): Promise<string> {
    let isReady = false;
    for await (const line of createInterface(child.stdout)) {
      if (isReady) return line;
      if (line !== "ready") throw new Error(`${program} printed: ${line}`);
      isReady = true;
      await bench.registry.reset();
      child.stdin.write("go\n");
    }
    throw new Error(`${program} ended without an answer`);
  }
}
