import { pruneCacheDirectory } from "../../cache/directory-status.ts";
import { RiffleError } from "../../errors.ts";
import type { Run } from "../command.ts";
import { formatBytes, parseAge, parseSize } from "../quantities.ts";

export const run: Run = async (_args, flags, { settings, out }) => {
  const size = flags.text("max-size");
  const age = flags.text("max-age");
  if (size === undefined && age === undefined) {
    throw new RiffleError("usage", "nothing says what to remove", {
      hint: "--max-size SIZE, --max-age DURATION, or both",
    });
  }
  const { cacheDir } = settings;
  const { freedBytes, bytes } = await pruneCacheDirectory(cacheDir, {
    now: Date.now(),
    ...(size === undefined ? {} : { maxBytes: parseSize(size) }),
    ...(age === undefined ? {} : { maxAgeMs: parseAge(age) }),
  });
  if (settings.json) await out.line(JSON.stringify({ directory: cacheDir, freedBytes, bytes }));
  else await out.line(`${cacheDir}: ${formatBytes(freedBytes)} freed, ${formatBytes(bytes)} left`);
  return 0;
};
