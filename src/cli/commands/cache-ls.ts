import { storedContents } from "../../cache/stored-contents.ts";
import type { Run } from "../command.ts";
import { formatBytes } from "../quantities.ts";

export const run: Run = async (_args, _flags, { settings, out }) => {
  for (const { id, size, heldBytes, diskBytes, proof, usedAtMs } of await storedContents(settings.cacheDir)) {
    const used = new Date(usedAtMs).toISOString().slice(0, 19);
    if (settings.json) {
      await out.line(JSON.stringify({ id, size, heldBytes, diskBytes, verified: proof, used: `${used}Z` }));
    } else {
      const held = heldBytes === size ? formatBytes(size) : `${formatBytes(heldBytes)} of ${formatBytes(size)}`;
      await out.line(`${id}  ${held}  ${proof}  ${used}Z`);
    }
  }
  return 0;
};
