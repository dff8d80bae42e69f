import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { terminalText } from "../../src/cli/terminal-text.ts";
import { oneLine } from "../../src/cli/exit.ts";
import { buildArtifact } from "../support/artifacts.ts";
import { createHome, MAIN, type Home } from "../support/cli.ts";
import { hasProgram } from "../support/processes.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

/** Colour, clear screen, a title, C1 forms of the same, a line of its own, and text that turns its direction. */
const EVIL = "a\u001b[31mb\u001b[2Jc\u001b]0;owned\u0007d\u009b2Je\u0090f\u009cg\rh\u0085i\u2028j\u202ek\u2066l\u007fm";
const skipped = hasProgram("script") ? "" : " (skipped: no script of util-linux)";

let registry: SpawnedRegistry;
let home: Home;
beforeEach(async () => {
  home = createHome();
  registry = await spawnRegistry();
});
afterEach(async () => {
  home.remove();
  await registry.close();
});

/** What a person's terminal would get. */
function onTerminal(words: readonly string[]): string {
  const line = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(" ");
  const env = { ...home.environment, TERM: "xterm" };
  return spawnSync("script", ["-qec", line, "/dev/null"], { encoding: "utf8", env }).stdout;
}

const RAW =
  // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
  /[\u0000-\u0008\u000b\u000c\u000e-\u001a\u007f-\u009f\u2028-\u202e\u2066-\u2069]|\r(?!\n)|\u001b(?!\[[0-9;]*m)/;

test.skipIf(!hasProgram("script"))(`text from outside never reaches a terminal raw${skipped}`, async () => {
  const content = { kind: "bytes", bytes: Buffer.from("x") } as const;
  const files = [
    { title: EVIL, content },
    { title: "turned\u202efdp.exe", content: { kind: "bytes", bytes: Buffer.from("y") } as const },
  ];
  const built = await buildArtifact({ files, annotations: { [EVIL]: EVIL } });
  for (const [digest, blob] of built.blobs) await registry.addBlob(digest, blob);
  const { mediaType } = built.descriptor;
  await registry.addManifest("e2e/evil", { mediaType, bytes: built.manifest, tag: "v1" });
  const reference = `${registry.host}/e2e/evil:v1`;
  const commands = [
    ["ls", "-l", reference],
    ["ls", "--json", reference],
    ["inspect", reference],
    ["inspect", "--json", reference],
    ["info", reference, "turned\u202efdp.exe"],
    ["cat", reference, EVIL.replaceAll("\u0000", "")],
    ["pull", "-q", reference, "-o", `${home.path}/out`],
    ["doctor", reference],
  ];
  for (const words of commands) {
    const text = onTerminal(words);
    expect(text.length).toBeGreaterThan(10);
    expect([words[0], RAW.exec(text)?.[0]]).toEqual([words[0], undefined]);
    expect(text).not.toContain("\u001b[31mb");
  }
});

test("JSON on a terminal means what it meant", () => {
  const shown = terminalText(JSON.stringify({ [EVIL]: EVIL }));
  expect(JSON.parse(shown)).toEqual({ [EVIL]: EVIL });
  expect(RAW.test(shown)).toBe(false);
  expect(RAW.test(oneLine(EVIL))).toBe(false);
  expect(terminalText("a\tb \u001b[1mbold\u001b[0m")).toBe("a\tb \u001b[1mbold\u001b[0m");
});
