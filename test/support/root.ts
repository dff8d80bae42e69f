import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

function checkoutAbove(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return `${folder}/`;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("not inside a checkout");
  return checkoutAbove(parent);
}

/** The checkout's folder with a closing slash, seen from the sources and from `dist-tools/` alike. */
export const ROOT: string = checkoutAbove(import.meta.dirname);
