// Compiles src/ to dist/ (what is published) and demo/, bench/ and test/support/ to dist-tools/ (what a checkout runs).
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";

const root = new URL("..", import.meta.url).pathname;
const tsc = `${root}node_modules/typescript/bin/tsc`;
for (const [project, out] of [
  ["tsconfig.build.json", "dist"],
  ["tsconfig.tools.json", "dist-tools"],
]) {
  if (process.argv.includes("--clean")) rmSync(`${root}${out}`, { recursive: true, force: true });
  const run = spawnSync(process.execPath, [tsc, "-p", `${root}${project}`], { stdio: "inherit" });
  if (run.status !== 0) process.exit(run.status ?? 1);
}
if (existsSync(`${root}dist/cli/main.js`)) chmodSync(`${root}dist/cli/main.js`, 0o755);
