import { runWell } from "../test/support/processes.ts";
import { ROOT } from "../test/support/root.ts";
import type { Bench } from "./context.ts";
import type { Sample } from "./answers.ts";

/** One cold command of riffle over a reference, with what it printed; `requests` are those for blob bytes. */
export async function coldCommand(
  bench: Bench,
  words: readonly string[],
): Promise<Sample & { readonly stdout: Buffer }> {
  const cache = bench.freshFolder();
  await bench.registry.reset();
  const { stdout, ms } = await runWell(process.execPath, [`${ROOT}dist/cli/main.js`, ...words, "--cache-dir", cache]);
  const { kinds } = await bench.registry.counters();
  return { stdout, ms, ...kinds.blob };
}
