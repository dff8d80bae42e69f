import { existsSync } from "node:fs";
import { join } from "node:path";

const beside = join(import.meta.dirname, "../../../shared/fixtures");

/** The folder of public test files, or undefined where a newcomer has none (tests that need it then skip loudly). */
export const FIXTURES: string | undefined = [process.env["RIFFLE_FIXTURES"], beside].find(
  (folder): folder is string => folder !== undefined && existsSync(join(folder, "expected.json")),
);
