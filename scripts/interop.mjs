// `npm run interop`: other people's registry (docker-registry, open and with Basic) and clients (oras, skopeo, crane)
// on one side, riffle on the other. What they pushed is read back byte for byte by `riffle cat`, `riffle pull` and
// through a mount, and queried by DuckDB and GDAL. Prints a transcript; the last line is `N passed, N failed, N skipped`.
//
// Between the two also stand nginx and Distribution 3 (interop-proxies.mjs).
//
// oras, crane and Distribution 3 are built with Go, once, into RIFFLE_TOOLS_DIR (default ~/.cache/riffle-tools) where they are not installed.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { formatsByOthers } from "./interop-formats.mjs";
import { behindProxies } from "./interop-proxies.mjs";

const root = new URL("..", import.meta.url).pathname;
const support = `${root}dist-tools/test/support`;
const { hasProgram, mountArtifact, mountObstacle, riffle, riffleHome, run, runWell, temporaryFolder } = await import(
  `${support}/processes.js`
);
const { makeGdalCog, makeParquet, measurements } = await import(`${support}/data.js`);
const { noise } = await import(`${support}/content.js`);

const folder = temporaryFolder("interop");
const env = { ...riffleHome(folder), REGISTRY_AUTH_FILE: join(folder.sub("docker"), "config.json") };
const children = [];
const counts = { passed: 0, failed: 0, skipped: 0 };

const say = (mark, name, note = "") => console.log(`${mark.padEnd(5)} ${name}${note === "" ? "" : `: ${note}`}`);
const shown = (error) => (error instanceof Error ? error.message : String(error)).split("\n").slice(0, 3).join(" / ");

async function check(name, work) {
  try {
    say("ok", name, (await work()) ?? "");
    counts.passed += 1;
  } catch (error) {
    say("FAIL", name, shown(error));
    counts.failed += 1;
  }
}

function skip(name, why) {
  say("SKIP", name, why);
  if (process.env.RIFFLE_REQUIRE === "all") counts.failed += 1;
  else counts.skipped += 1;
}

function same(actual, expected, what) {
  if (!Buffer.from(actual).equals(expected))
    throw new Error(`${what} differs (${actual.length} bytes, expected ${expected.length})`);
}

const toolsFolder =
  process.env.RIFFLE_TOOLS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "riffle-tools");

/** `isGeneral`: of that name there may be others on the PATH. */
async function program(name, source, { isGeneral = false } = {}) {
  if (!isGeneral && hasProgram(name)) return name;
  const bin = join(toolsFolder, "go/bin");
  if (!existsSync(join(bin, name))) {
    if (!hasProgram("go")) throw new Error(`${name} is not installed, and there is no Go to build it with`);
    mkdirSync(bin, { recursive: true });
    say("", `building ${source}`);
    await runWell("go", ["install", source], { env: { GOBIN: bin, CGO_ENABLED: "0" }, timeoutMs: 900_000 });
  }
  return join(bin, name);
}

/** docker-registry, or another of its kind, on a free port; its log names the one it got. */
async function startRegistry(name, more = "", binary = "docker-registry") {
  const config = join(folder.sub(name), "config.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: ${folder.sub(`${name}/data`)}\nhttp:\n  addr: 127.0.0.1:0\n${more}`,
  );
  const child = spawn(binary, ["serve", config], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
  });
  children.push(child);
  const lines = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${binary} did not start: ${lines.join(" / ")}`)), 20_000);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => {
        lines.push(line);
        const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (host === undefined) return;
        clearTimeout(timer);
        resolve(host);
      });
    }
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${binary} ended with ${code}: ${lines.join(" / ")}`)));
  });
}

/** A `.npy` of 4 x 30 x 50 little-endian floats in C order (NumPy's format description, version 1.0). */
function cube() {
  const words = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 30, 50), }";
  const head = `${words.padEnd(128 - 10 - 1)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(head.length);
  const values = Float32Array.from({ length: 6000 }, (_, i) => Math.sin(i) * i);
  return Buffer.concat([
    Buffer.from("\x93NUMPY\x01\x00", "latin1"),
    length,
    Buffer.from(head),
    Buffer.from(values.buffer),
  ]);
}

async function makeFiles() {
  const at = folder.sub("files");
  folder.sub("files/nested/deep");
  writeFileSync(join(at, "noise.bin"), noise(42, { start: 0, end: 20_000_001 }));
  writeFileSync(join(at, "nested/deep/readme.txt"), "a file in a folder in a folder\n");
  writeFileSync(join(at, "empty.txt"), "");
  await makeParquet(join(at, "trips.parquet"), measurements(100_000), { rowGroup: 20_000 });
  await makeGdalCog(join(at, "scene.tif"), 1500);
  writeFileSync(join(at, "cube.npy"), cube());
  return at;
}

const filesBelow = (at) =>
  readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1))
    .sort();

/** Every way that riffle reads an artifact, against the files that were pushed. */
async function readBack(label, reference, files, flags = []) {
  const names = filesBelow(files);
  await check(`${label}: riffle ls names every file`, async () => {
    const result = await riffle(["ls", "-R", "--json", reference, ...flags], { env });
    if (result.status !== 0) throw new Error(result.stderr);
    const listed = result.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const found = listed
      .filter(({ type }) => type === "file")
      .map(({ path }) => path)
      .sort();
    if (found.join() !== names.join()) throw new Error(`found ${found.join(" ")}`);
    return `${found.length} files`;
  });
  await check(`${label}: riffle cat gives every byte, and a range`, async () => {
    for (const name of names) {
      const whole = await riffle(["cat", reference, name, ...flags], { env });
      if (whole.status !== 0) throw new Error(whole.stderr);
      same(whole.stdout, readFileSync(join(files, name)), name);
    }
    const part = await riffle(["cat", reference, "noise.bin", "--range", "4090-100000", ...flags], { env });
    same(part.stdout, noise(42, { start: 4090, end: 100_000 }), "the range");
  });
  await check(`${label}: riffle pull gives the same tree`, async () => {
    const out = join(folder.path, "pulled", label.replaceAll(/\W+/g, "-"));
    const result = await riffle(["pull", reference, "-o", out, ...flags], { env });
    if (result.status !== 0) throw new Error(result.stderr);
    await runWell("diff", ["-r", files, out]);
  });
  const obstacle = mountObstacle();
  if (obstacle !== undefined) return skip(`${label}: mount`, obstacle);
  const point = folder.sub(`mnt-${label.replaceAll(/\W+/g, "-")}`);
  await check(`${label}: the mount is the same tree (diff -r)`, async () => {
    const mounted = await mountArtifact(reference, point, { env, flags: [...flags, "--no-cache"] });
    try {
      await runWell("diff", ["-r", files, point]);
      return `${mounted.stats().requests} requests`;
    } finally {
      await mounted.unmount();
    }
  });
  await check(`${label}: DuckDB over the mount`, () => compareQuery(reference, point, files, flags));
  await check(`${label}: GDAL over the mount`, () => compareRaster(reference, point, files, flags));
}

async function answerOf(file) {
  const sql = `SELECT station, sum(fare) AS fares, count(*) AS n FROM '${file}' WHERE id < 30000 GROUP BY 1 ORDER BY 1`;
  const result = await runWell(process.execPath, [`${support}/programs/duckdb.js`, sql]);
  return JSON.stringify(JSON.parse(result.stdout.toString()).rows);
}

async function compareQuery(reference, point, files, flags) {
  const expected = await answerOf(join(files, "trips.parquet"));
  const mounted = await mountArtifact(reference, point, { env, flags: [...flags, "--no-cache"] });
  try {
    const actual = await answerOf(join(point, "trips.parquet"));
    if (actual !== expected) throw new Error("the answers differ");
    const { bytesFetched, requests } = mounted.stats();
    return `${bytesFetched} bytes in ${requests} requests`;
  } finally {
    await mounted.unmount();
  }
}

async function compareRaster(reference, point, files, flags) {
  const window = async (file, out) => {
    await runWell("gdal_translate", ["-q", "-of", "ENVI", "-srcwin", "700", "300", "400", "400", file, out]);
    return readFileSync(out);
  };
  const expected = await window(join(files, "scene.tif"), join(folder.path, "right.raw"));
  const mounted = await mountArtifact(reference, point, { env, flags: [...flags, "--no-cache"] });
  try {
    same(await window(join(point, "scene.tif"), join(folder.path, "seen.raw")), expected, "the window");
    const { bytesFetched, requests } = mounted.stats();
    return `${bytesFetched} bytes in ${requests} requests`;
  } finally {
    await mounted.unmount();
  }
}

async function main() {
  const needed = ["docker-registry", "skopeo", "htpasswd", "gdal_translate"].filter((name) => !hasProgram(name));
  if (needed.length > 0) return skip("everything", `not installed: ${needed.join(", ")}`);
  const oras = await program("oras", "oras.land/oras/cmd/oras@v1.3.6");
  const crane = await program("crane", "github.com/google/go-containerregistry/cmd/crane@v0.22.1");
  const files = await makeFiles();
  const names = filesBelow(files);

  const open = await startRegistry("open");
  say("", `docker-registry, open, at ${open}`);
  await check("oras push", () =>
    runWell(oras, ["push", "--plain-http", `${open}/it/oras:v1`, ...names], { cwd: files, env }).then(() => ""),
  );
  await readBack("pushed by oras", `${open}/it/oras:v1`, files);
  await behindProxies({
    upstream: open,
    place: "it/oras:v1",
    files,
    folder,
    env,
    children,
    program,
    startRegistry,
    check,
    skip,
    say,
  });
  await formatsByOthers({ reference: `${open}/it/oras:v1`, files, folder, env, toolsFolder, check, skip, say });

  const layout = join(folder.path, "layout");
  await check("oras copy to a layout, skopeo copy from it", async () => {
    await runWell(oras, ["copy", "--from-plain-http", "--to-oci-layout", `${open}/it/oras:v1`, `${layout}:v1`], {
      env,
    });
    await runWell("skopeo", ["copy", "--dest-tls-verify=false", `oci:${layout}:v1`, `docker://${open}/it/skopeo:v1`], {
      env,
    });
  });
  await readBack("pushed by skopeo", `${open}/it/skopeo:v1`, files);
  await check("crane push", () =>
    runWell(crane, ["push", "--insecure", layout, `${open}/it/crane:v1`], { env }).then(() => ""),
  );
  await readBack("pushed by crane", `${open}/it/crane:v1`, files);
  await readBack("an oci: layout", `oci:${layout}:v1`, files);

  const secrets = join(folder.path, "htpasswd");
  const made = await runWell("htpasswd", ["-Bbn", "reader", "s3cret-word"]);
  writeFileSync(secrets, made.stdout);
  const closed = await startRegistry("closed", `auth:\n  htpasswd:\n    realm: riffle interop\n    path: ${secrets}\n`);
  say("", `docker-registry, Basic, at ${closed}`);
  await check("oras push with a password", () =>
    runWell(
      oras,
      ["push", "--plain-http", "--username", "reader", "--password", "s3cret-word", `${closed}/it/oras:v1`, ...names],
      { cwd: files, env },
    ).then(() => ""),
  );
  await check("without credentials riffle is refused with exit code 4", async () => {
    const { status, stderr } = await riffle(["ls", `${closed}/it/oras:v1`], { env });
    if (status !== 4) throw new Error(`status ${status}: ${stderr}`);
  });
  await check("riffle login", async () => {
    const { status, stderr } = await riffle(["login", closed, "--username", "reader", "--password-stdin"], {
      env,
      input: "s3cret-word\n",
    });
    if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  });
  await check("oras accepts what riffle login wrote", () =>
    runWell(oras, ["manifest", "fetch", "--plain-http", `${closed}/it/oras:v1`], { env }).then(() => ""),
  );
  await readBack("behind Basic", `${closed}/it/oras:v1`, files);
  await check("riffle logout, and riffle is refused again", async () => {
    const left = await riffle(["logout", closed], { env });
    if (left.status !== 0) throw new Error(`logout: status ${left.status}: ${left.stderr}`);
    const { status } = await riffle(["ls", `${closed}/it/oras:v1`, "--no-cache"], { env });
    if (status !== 4) throw new Error(`status ${status}`);
  });
  await check("nothing is left mounted", async () => {
    if (readFileSync("/proc/mounts", "utf8").includes(folder.path)) throw new Error("a mount below our folder");
  });
  const shownVersion = async (name, args) =>
    `${name} ${(await run(name, args)).stdout.toString().trim().split("\n")[0]}`;
  say(
    "",
    `${await shownVersion(oras, ["version"])}; crane ${await shownVersion(crane, ["version"])}; ${await shownVersion("skopeo", ["--version"])}`,
  );
}

const finish = () => {
  for (const child of children) child.kill("SIGTERM");
  folder.remove();
};
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => {
    finish();
    process.exit(130);
  });
try {
  await main();
} catch (error) {
  say("FAIL", "interop", shown(error));
  counts.failed += 1;
} finally {
  finish();
}
process.exitCode = counts.failed > 0 ? 1 : 0;
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
