// What other people's readers make of what riffle's own readers give, for `npm run interop`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const { hasProgram, mountArtifact, mountObstacle, runWell } = await import(
  `${root}dist-tools/test/support/processes.js`
);

/** The versions that the benchmarks name, in an environment of their own. */
const PYTHON_PACKAGES = [
  "duckdb==1.5.5",
  "duckdb-extension-httpfs==1.5.5",
  "polars==2.1.0",
  "pyarrow==26.0.1",
  "numpy==2.3.5",
];

async function pythonTools({ toolsFolder, say }) {
  const at = join(toolsFolder, "python");
  const interpreter = join(at, "bin/python");
  const mark = join(at, "packages.txt");
  const wanted = PYTHON_PACKAGES.join("\n");
  if (!existsSync(mark) || readFileSync(mark, "utf8") !== wanted) {
    say("", `python packages: ${PYTHON_PACKAGES.join(" ")}`);
    await runWell("python3", ["-m", "venv", at], { timeoutMs: 120_000 });
    const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PYTHON_PACKAGES];
    await runWell(interpreter, words, { timeoutMs: 600_000 });
    writeFileSync(mark, wanted);
  }
  return interpreter;
}

/** pyarrow, polars, DuckDB for Python, NumPy and GDAL on what riffle's own readers give, and over the mount. */
export async function formatsByOthers(interop) {
  const { reference, files, folder, env, check, skip } = interop;
  const obstacle = mountObstacle() ?? (hasProgram("python3") ? undefined : "no python3");
  if (obstacle !== undefined) {
    skip("formats", obstacle);
    return;
  }
  const python = await pythonTools(interop);
  const point = folder.sub("mnt-formats");
  const mounted = await mountArtifact(reference, point, { env, flags: ["--no-cache"] });
  try {
    const command = JSON.stringify([process.execPath, `${root}dist/cli/main.js`]);
    const { stdout } = await runWell(python, [`${root}scripts/interop-formats.py`, command, reference, point, files], {
      env,
      timeoutMs: 300_000,
    });
    for (const line of stdout.toString().trim().split("\n")) {
      const { name, ok, note } = JSON.parse(line);
      await check(name, () => {
        if (!ok) throw new Error(note);
        return note;
      });
    }
  } finally {
    await mounted.unmount();
  }
}
