import { cacheDirectoryStatus } from "../../cache/directory-status.ts";
import type { Run } from "../command.ts";
import { formatBytes } from "../quantities.ts";

export const run: Run = async (_args, _flags, { settings, out }) => {
  const { cacheDir, cacheBytes } = settings;
  const { bytes, limit, entries } = await cacheDirectoryStatus(cacheDir, { limitBytes: cacheBytes });
  if (settings.json) await out.line(JSON.stringify({ directory: cacheDir, bytes, limit, entries }));
  else await out.line(`${cacheDir}: ${formatBytes(bytes)} of ${formatBytes(limit)}, ${entries} blobs`);
  return 0;
};
