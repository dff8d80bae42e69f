import { spawnSync } from "node:child_process";

const PROGRAMS = { translate: "gdal_translate", info: "gdalinfo" } as const;

/** Whether GDAL's programs are here; says so where they are not. */
export function hasGdal(what: string): boolean {
  const isHere = spawnSync(PROGRAMS.translate, ["--version"]).status === 0;
  if (!isHere) console.warn(`no gdal_translate: ${what}`);
  return isHere;
}

/** Runs one of them; throws what it says when it fails. */
export function gdal(
  program: keyof typeof PROGRAMS,
  args: readonly string[],
): { readonly out: string; readonly warnings: string } {
  const run = spawnSync(PROGRAMS[program], args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (run.status !== 0) throw new Error(`${PROGRAMS[program]}: ${run.stderr}`);
  return { out: run.stdout, warnings: run.stderr };
}
