// What `npm test` runs after the build: vitest, then every skipped test by name, then as the last line of stdout
// `N passed, N failed, N skipped`. Arguments are vitest's: `npm test -- test/cache`.
//
// RIFFLE_REQUIRE=all makes a skip a failure: where the machine is set up for everything, a test that did not run is one
// that nobody knows about. ALLOWED names the exceptions.
import { existsSync } from "node:fs";
import { parseCLI, startVitest } from "vitest/node";

const root = new URL("..", import.meta.url).pathname;
const fixtures = [process.env.RIFFLE_FIXTURES, `${root}../shared/fixtures`].some(
  (folder) => folder !== undefined && existsSync(`${folder}/expected.json`),
);
/** Skips that RIFFLE_REQUIRE=all forgives. */
const ALLOWED = [
  { why: "only macOS has it", pattern: /\bmacos\b|\bdarwin\b/i, when: process.platform !== "darwin" },
  {
    why: "the collection of public test files is not part of the checkout",
    pattern: /fixture|public test file/i,
    when: !fixtures,
  },
  {
    why: "fuse-native takes names as UTF-8 strings and knows no interrupt",
    pattern: /libfuse backend > (?:keeps the bytes of names that are not UTF-8|lets a signal end a reader that waits)/,
    when: true,
  },
];

/** @type {{ passed: number, failed: number, skipped: { name: string, note: string | undefined }[] }} */
const counts = { passed: 0, failed: 0, skipped: [] };
const counter = {
  onTestRunEnd(modules, errors) {
    counts.failed += errors.length;
    for (const module of modules) {
      const suites = [...module.children.allSuites()];
      // a file or suite that breaks before its tests is one failure
      counts.failed += module.errors().length + suites.flatMap((suite) => suite.errors()).length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") counts.passed += 1;
        else if (result.state === "failed") counts.failed += 1;
        else counts.skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, note: result.note });
      }
    }
  },
};

const { filter, options } = parseCLI(["vitest", "run", ...process.argv.slice(2)]);
const vitest = await startVitest("test", filter, { ...options, watch: false, root, reporters: ["default", counter] });
await vitest.close();

const strict = process.env.RIFFLE_REQUIRE === "all";
let forbidden = 0;
for (const { name, note } of counts.skipped) {
  const text = `${name}${note === undefined ? "" : ` (${note})`}`;
  const allowed = ALLOWED.find(({ pattern, when }) => when && pattern.test(text));
  if (strict && allowed === undefined) forbidden += 1;
  const word = strict && allowed === undefined ? "NOT RUN, AND REQUIRED" : "SKIPPED";
  console.log(`${word}: ${text}${allowed === undefined ? "" : ` [${allowed.why}]`}`);
}
const failed = counts.failed + forbidden;
const none = counts.passed + failed === 0;
if (none) console.log("no test ran");
process.exitCode = failed > 0 || none ? 1 : 0;
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped.length - forbidden} skipped`);
process.exit();
