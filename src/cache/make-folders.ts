import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * As `mkdir -p`. Throws the system's error. Not `mkdirSync` with `recursive`: that never returns where a parent is there
 * and answers ENOENT to every new name, as `/proc` does (seen with Node 20.20).
 */
export function makeFolders(path: string, options: { readonly mode?: number } = {}): void {
  const missing: string[] = [];
  for (let at = path; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.push(at);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, options);
    } catch (error) {
      // Someone else made it in between; what it is shows in the next step.
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}
