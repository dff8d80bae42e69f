import type { TreeWarning } from "../layers/names.ts";

/** One line for a name that was changed, what was left out, or what there is to say of a layer. */
export function warningText({ layer, original, name, reason }: TreeWarning): string {
  const what = original === "" ? layer : `"${original}"`;
  if (original === name) return `${what} ${reason}`;
  return name === undefined ? `${what} is left out: ${reason}` : `${what} is shown as "${name}": ${reason}`;
}
