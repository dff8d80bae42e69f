import type { Check } from "../checks/check.ts";
import { cacheCheck, stateCheck } from "../checks/folders.ts";
import { machineChecks } from "../checks/machine.ts";
import { mountsCheck } from "../checks/mounts.ts";
import type { Run } from "../command.ts";
import { EXIT_CODES, oneLine } from "../exit.ts";
import { mayColour, paint } from "../paint.ts";

const COLOURS = { ok: "green", warn: "yellow", fail: "red" } as const;

function checkLine({ name, status, message, remedy }: Check, colours: boolean): string {
  const head = paint(status.padEnd(4), COLOURS[status], colours);
  // Colours are control characters too: what is from outside is cleaned before they come.
  return `${head}  ${oneLine(`${name}: ${message}${remedy === undefined ? "" : ` (${remedy})`}`)}`;
}

export const run: Run = async ([reference], _flags, context) => {
  const { environment, places, settings, out } = context;
  const checks: Check[] = [
    ...(await machineChecks({ environment })),
    cacheCheck(settings.cacheDir),
    stateCheck("state", places.stateDir),
    stateCheck("runtime", places.runtimeDir),
    await mountsCheck(places.runtimeDir, context.signal),
  ];
  let code = checks.some(({ status }) => status === "fail") ? EXIT_CODES.machine : 0;
  if (reference !== undefined) {
    const { registryChecks } = await import("../checks/registry.ts");
    const found = await registryChecks(context, reference);
    checks.push(...found.checks);
    if (found.error !== undefined) code = EXIT_CODES[found.error.code];
  }
  const colours = mayColour(out.isTerminal, environment);
  if (settings.json) await out.line(JSON.stringify({ checks }));
  else for (const check of checks) await out.line(checkLine(check, colours));
  return code;
};
