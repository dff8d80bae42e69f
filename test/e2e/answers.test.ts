import { spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { npyHeader } from "../../src/formats/npy/encode.ts";
import { askedArtifact, type AskedArtifact } from "../support/asked.ts";
import { MAIN } from "../support/cli.ts";

/** How `table`, `raster` and `array` behave towards terminals, pipes and signals, whatever the format. */
const ROWS = 30_000;
const BIG_BYTES = 8_000_000;
let artifact: AskedArtifact;

beforeAll(async () => {
  const lines = Array.from({ length: ROWS }, (_, id) => `${id},name ${id},${id / 2}`);
  const header = npyHeader({ dtype: "|u1", shape: [BIG_BYTES] });
  artifact = await askedArtifact([
    { title: "rows.csv", content: { kind: "bytes", bytes: Buffer.from(`id,name,half\n${lines.join("\n")}\n`) } },
    { title: "big.npy", content: { kind: "bytes", bytes: Buffer.concat([header, Buffer.alloc(BIG_BYTES, 5)]) } },
  ]);
});
afterAll(() => artifact.close());
afterEach(() => artifact.registry.configure({ ratePerConnection: 0 }));

function files(): readonly string[] {
  return readdirSync(artifact.home.path).filter((name) => name.startsWith(".riffle") || name.startsWith("out"));
}

test("a reader that leaves early ends the command quietly", async () => {
  const { environment } = artifact.home;
  const child = spawn(process.execPath, [MAIN, "table", artifact.reference, "rows.csv"], {
    env: { ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdout.once("data", () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect([code, stderr]).toEqual([0, ""]);
});

test.each(["SIGINT", "SIGTERM"] as const)("%s leaves nothing half-done", async (signal) => {
  await artifact.registry.configure({ ratePerConnection: 100_000 });
  const words = [MAIN, "array", "--no-cache", artifact.reference, "big.npy", "-o", "out.npy"];
  const child = spawn(process.execPath, words, {
    env: { ...artifact.home.environment },
    cwd: artifact.home.path,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
  while (!files().some((name) => name.endsWith(".part"))) await delay(20);
  await delay(300);
  child.kill(signal);
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect([code, files(), stderr]).toEqual([130, [], expect.stringMatching(/^riffle: array: interrupted \(.+\)\n$/)]);
});

test("a registry that stops gives an error within the time limit, and no file", async () => {
  await artifact.registry.configure({ ratePerConnection: 1 });
  const words = ["rows.csv", "-o", "out.csv", "--timeout", "2s"];
  const { code, stderr } = await artifact.ask("table", words);
  expect([code, files(), stderr]).toEqual([7, [], expect.stringMatching(/^riffle: table: .+\n$/)]);
});

const hasScript = spawnSync("script", ["--version"]).status === 0;
describe.skipIf(!hasScript)("on a terminal (skipped without the program script)", () => {
  const onTerminal = (words: readonly string[]): { readonly text: string; readonly code: number | null } => {
    const quoted = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(" ");
    const { stdout, status } = spawnSync("script", ["-qec", quoted, "/dev/null"], {
      encoding: "utf8",
      env: { ...artifact.home.environment, TERM: "xterm", NO_COLOR: "1" },
    });
    return { text: stdout.replaceAll("\r", ""), code: status };
  };

  test("a table is aligned and cut, and says what is left out", () => {
    const { text, code } = onTerminal(["table", "-q", artifact.reference, "rows.csv"]);
    const lines = text.trimEnd().split("\n");
    expect(code).toBe(0);
    expect(lines.slice(0, 3).map((line) => line.trim())).toEqual([
      "id  name     half",
      "──  ───────  ────",
      "0  name 0      0",
    ]);
    expect(lines).toHaveLength(43);
    expect(lines.at(-1)).toContain("more rows");
  });

  test("nothing binary goes there", () => {
    for (const words of [
      ["array", artifact.reference, "big.npy", "--format", "npy"],
      ["table", artifact.reference, "rows.csv", "--format", "arrow"],
      ["raster", artifact.reference, "big.npy"],
    ]) {
      const { text, code } = onTerminal(words);
      expect([code, text]).toEqual([2, expect.stringContaining("is binary, and stdout is a terminal")]);
    }
  });

  test("progress is a line that goes away", () => {
    const words = ["array", "--no-cache", artifact.reference, "big.npy", "-o", "out.npy", "--force"];
    const { text, code } = onTerminal([...words, "--slice", ":100"]);
    const left = text.split("\u001b[K").filter((part) => part !== "" && !part.startsWith("reading: "));
    expect([code, left]).toEqual([0, []]);
  });
});

test("a file is named as it was asked for, whatever the directory of the command", async () => {
  const { stdout } = await artifact.ask("array", ["./big.npy", "--slice", "3:5", "--json"]);
  expect(JSON.parse(stdout)).toEqual([5, 5]);
  const told = await artifact.ask("array", [
    "big.npy",
    "--slice",
    "3",
    "-o",
    join(artifact.home.path, "out.json"),
    "--json",
  ]);
  expect(JSON.parse(told.stdout)).toMatchObject({ format: "json", bytes: 2, query: { slice: "3" } });
});
