import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { mountObstacle, run, temporaryFolder, type Folder } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { ROOT } from "../support/root.ts";

const LIBRARY = pathToFileURL(join(ROOT, "dist/index.js")).href;

let registry: RegistryHandle;
let folder: Folder;
let reference: string;

beforeAll(async () => {
  registry = await spawnRegistry();
  ({ reference } = await putArtifact(
    registry,
    { repository: "e2e/library", tag: "v1" },
    {
      files: [
        { title: "data/a.bin", content: { kind: "noise", seed: 9, size: 3_000_000 } },
        { title: "hello.txt", content: { kind: "bytes", bytes: Buffer.from("hello\n") } },
      ],
    },
  ));
});
afterAll(() => registry.close());
beforeEach(() => void (folder = temporaryFolder("e2e-library")));
afterEach(() => folder.remove());

/** Runs a module that imports the built package, and gives what it printed; it must end by itself. */
async function script(source: string): Promise<string> {
  const path = join(folder.path, "script.mjs");
  writeFileSync(path, source);
  const words = [path, LIBRARY, reference, folder.sub("cache"), folder.sub("mnt")];
  const { status, stdout, stderr } = await run(process.execPath, words, { timeoutMs: 25_000 });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.toString();
}

const BEGIN = `const [library, reference, cacheDir, directory] = process.argv.slice(2);
const { open, RiffleError, isRiffleError } = await import(library);
`;

test("open, entries, files, stats, close; nothing is printed, and the process ends by itself", async () => {
  const said = await script(`${BEGIN}
const artifact = await open(reference, { cacheDir });
const file = artifact.file("data/a.bin");
const part = await file.read({ start: 10, end: 20 });
let streamed = 0;
for await (const piece of file.stream()) streamed += piece.length;
const hello = artifact.file("hello.txt");
const result = {
  paths: [...artifact.entries()].map((entry) => entry.path),
  file: [file.path, file.size, file.digest.slice(0, 7), part.length, part.constructor.name],
  streamed,
  hello: [Buffer.from(await hello.bytes()).toString(), Buffer.from(await hello.bytes({ start: 1, end: 3 })).toString()],
  many: (await file.readMany([{ start: 5, end: 6 }, { start: 0, end: 3 }])).map((bytes) => bytes.length),
  missing: (() => { try { artifact.file("none"); } catch (error) { return [error instanceof RiffleError, error.code]; } })(),
  aborted: await file.read({ start: 0, end: 1 }, { signal: AbortSignal.abort() }).catch((error) => error.name),
  stats: artifact.stats(),
};
await artifact.close();
result.closed = await file.read({ start: 0, end: 1 }).catch((error) => [isRiffleError(error), error.code]);
console.log(JSON.stringify(result));
`);
  expect(JSON.parse(said)).toMatchObject({
    paths: ["data", "data/a.bin", "hello.txt"],
    file: ["data/a.bin", 3_000_000, "sha256:", 10, "Uint8Array"],
    streamed: 3_000_000,
    hello: ["hello\n", "el"],
    many: [1, 3],
    missing: [true, "not-found"],
    closed: [true, "closed"],
    stats: { mountpoint: null, backend: null, state: "ready", files: 2, size: 3_000_006, errors: 0 },
  });
});

const obstacle = mountObstacle();

test.skipIf(obstacle !== undefined)(
  `mount and its end, by await using's method${obstacle === undefined ? "" : ` (skipped: ${obstacle})`}`,
  async () => {
    const said = await script(`${BEGIN}
const { execFile } = await import("node:child_process");
const { promisify } = await import("node:util");
const sh = async (line) => (await promisify(execFile)("sh", ["-c", line])).stdout;
const artifact = await open(reference, { cacheDir });
const mount = await artifact.mount(directory);
console.log(JSON.stringify([await sh("cat " + directory + "/hello.txt"), artifact.stats().mountpoint === directory]));
await mount[Symbol.asyncDispose]();
const second = await artifact.mount(directory);
console.log(second.mountpoint === directory);
await artifact[Symbol.asyncDispose]();
console.log(JSON.stringify(await sh("ls " + directory)));
`);
    expect(said).toBe(`["hello\\n",true]\ntrue\n""\n`);
  },
);

test("importing the package loads neither undici nor koffi, nor anything of the command line", async () => {
  const hook = `import { writeSync } from "node:fs";
export async function load(url, context, next) { writeSync(1, url + "\\n"); return next(url, context); }`;
  const loader = `import { register } from "node:module"; register("data:text/javascript,${encodeURIComponent(hook)}");`;
  const path = join(folder.path, "import.mjs");
  writeFileSync(path, `import ${JSON.stringify(LIBRARY)};\n`);
  const words = [`--import=data:text/javascript,${encodeURIComponent(loader)}`, path];
  const { status, stdout } = await run(process.execPath, words);
  const loaded = stdout.toString();
  expect([status, loaded.includes("dist/index.js")]).toEqual([0, true]);
  expect(loaded).not.toMatch(/undici|koffi|fuse-native|commander|\.wasm|\/dist\/cli\//);
});

test("the types carry a program in the strictest mode", async () => {
  const modules = folder.sub("node_modules");
  mkdirSync(join(modules, "rifflefs"));
  const exported = { types: join("dist", "index.d.ts"), default: join("dist", "index.js") };
  const linked = await run("ln", ["-s", join(ROOT, "dist"), join(modules, "rifflefs/dist")]);
  const typed = await run("ln", ["-s", join(ROOT, "node_modules/@types"), join(modules, "@types")]);
  expect([linked.status, typed.status]).toEqual([0, 0]);
  const manifest = { name: "rifflefs", version: "0.0.0", type: "module", exports: { ".": exported } };
  writeFileSync(join(modules, "rifflefs/package.json"), JSON.stringify(manifest).replaceAll('"dist/', '"./dist/'));
  writeFileSync(join(folder.path, "package.json"), '{"type":"module"}');
  writeFileSync(
    join(folder.path, "use.ts"),
    `import { open, isRiffleError, type ArtifactStats, type Entry, type RangeSource } from "rifflefs";
const controller = new AbortController();
await using artifact = await open("localhost:5000/eo/scenes:v1", { cacheDir: "/tmp/x", signal: controller.signal });
const sizes: number[] = [];
for (const entry of artifact.entries()) sizes.push((entry satisfies Entry).size);
const file = artifact.file("trips.parquet");
const source: RangeSource = file;
const bytes: Uint8Array = await source.read({ start: 0, end: 4 }, { signal: controller.signal });
for await (const piece of file.stream()) console.log(piece.length + bytes.length);
await using mount = await artifact.mount("/mnt/scenes");
const stats: ArtifactStats = artifact.stats();
console.log(mount.mountpoint, stats.amplification, sizes);
try { artifact.file("x"); } catch (error) { if (isRiffleError(error)) console.log(error.code === "not-found"); }
// @ts-expect-error -- a path is text
artifact.file(5);
`,
  );
  writeFileSync(
    join(folder.path, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        module: "nodenext",
        target: "es2023",
        lib: ["es2023", "esnext.disposable"],
        types: ["node"],
        noEmit: true,
        skipLibCheck: false,
      },
      files: ["use.ts"],
    }),
  );
  const { status, stdout, stderr } = await run(
    process.execPath,
    [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "."],
    {
      cwd: folder.path,
    },
  );
  expect([stdout.toString(), stderr.replaceAll(/^npm warn.*\n/gm, ""), status]).toEqual(["", "", 0]);
});
