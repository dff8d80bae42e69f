import type { TreeWarning } from "../layers/names.ts";

/** One line for a name that was changed or a layer that was left out. */
export function warningText({ layer, original, name, reason }: TreeWarning): string {
  const what = original === "" ? layer : `"${original}"`;
  return name === undefined ? `${what} is left out: ${reason}` : `${what} is shown as "${name}": ${reason}`;
}
