import { clearCacheDirectory } from "../../cache/directory-status.ts";
import type { Run } from "../command.ts";
import { formatBytes } from "../quantities.ts";

export const run: Run = async (_args, _flags, { settings, out }) => {
  const { cacheDir } = settings;
  const { freedBytes } = await clearCacheDirectory(cacheDir);
  if (settings.json) await out.line(JSON.stringify({ directory: cacheDir, freedBytes }));
  else await out.line(`${cacheDir}: ${formatBytes(freedBytes)} freed`);
  return 0;
};
