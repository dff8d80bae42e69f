import { cacheDirectoryStatus } from "../../cache/directory-status.ts";
import type { StoredContent } from "../../cache/stored-contents.ts";
import { verifyCacheDirectory, type Verdict } from "../../cache/verify-directory.ts";
import type { Run } from "../command.ts";
import { EXIT_CODES } from "../exit.ts";
import { createProgress } from "../progress.ts";
import { formatCount } from "../quantities.ts";

export const run: Run = async (_args, _flags, { settings, out, notes, signal }) => {
  const { cacheDir, cacheBytes: limitBytes, json } = settings;
  const { bytes: totalBytes } = await cacheDirectoryStatus(cacheDir, { limitBytes });
  const progress = createProgress({ notes, quiet: settings.quiet, totalBytes, what: "verifying" });
  const counts: Record<Verdict, number> = { proven: 0, consistent: 0, removed: 0 };
  const onVerdict = async ({ id, heldBytes }: StoredContent, verdict: Verdict): Promise<void> => {
    counts[verdict] += 1;
    if (json) return out.line(JSON.stringify({ id, heldBytes, verdict }));
    if (verdict !== "removed") return;
    progress.end();
    await out.line(`${id}: not what was put there: removed`);
  };
  try {
    await verifyCacheDirectory(cacheDir, {
      limitBytes,
      signal,
      onBytes: (bytes) => progress.add(bytes, false),
      onVerdict,
    });
  } finally {
    progress.end();
  }
  const all = counts.proven + counts.consistent + counts.removed;
  if (!json) {
    const partly = counts.consistent === 0 ? "" : `, ${counts.consistent} held in part and consistent`;
    const removed = counts.removed === 0 ? "" : `, ${counts.removed} removed`;
    await out.line(`${cacheDir}: ${formatCount(all, "blob")}: ${counts.proven} proven by digest${partly}${removed}`);
  }
  return counts.removed === 0 ? 0 : EXIT_CODES.verification;
};
