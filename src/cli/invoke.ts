import { readFileSync } from "node:fs";
import { RiffleError } from "../errors.ts";
import type { Context } from "./command.ts";
import { readConfigFile } from "./config-file.ts";
import { asRiffleError, bugTrail, errorJson, errorLine, EXIT_CODES } from "./exit.ts";
import { createLog } from "./log.ts";
import { createNotes, createOutput, OutputClosed, type Notes, type Output } from "./output.ts";
import { placesOf } from "./places.ts";
import { parseArguments, type Choice } from "./program.ts";
import { resolveSettings, type Settings } from "./settings.ts";
import { watchSignals } from "./signals.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `package.json` lies two folders up from both `src/cli` and `dist/cli`. */
export function packageVersion(): string {
  const document: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const version = typeof document === "object" && document !== null ? (document as { version?: unknown }).version : "";
  return typeof version === "string" ? version : "";
}

/** Whether a failure to read the words is to be told as JSON too: looked up before the words are understood. */
function wantsJson(words: readonly string[], environment: Environment): boolean {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  return own.includes("--json") || /^(?:1|true|yes|on)$/i.test(environment["RIFFLE_JSON"] ?? "");
}

interface Failure {
  readonly context: string;
  readonly json: boolean;
  readonly failureCode?: number | undefined;
  readonly out: Output;
  readonly notes: Notes;
}

/** Says what went wrong, once; gives the exit code. */
async function report(thrown: unknown, { context, json, failureCode, out, notes }: Failure): Promise<number> {
  if (thrown instanceof OutputClosed) return 0;
  const error = asRiffleError(thrown);
  try {
    await out.flush();
    if (json) {
      await out.line(errorJson(error));
      await out.flush();
    }
  } catch (closed) {
    if (!(closed instanceof OutputClosed)) throw closed;
  }
  const trail = bugTrail(error);
  notes.write(`${errorLine(error, context)}\n${trail === undefined ? "" : `${trail}\n`}`);
  const own = EXIT_CODES[error.code];
  const byKind = failureCode === undefined || error.code === "aborted" || own === EXIT_CODES.usage;
  return byKind ? own : failureCode;
}

function settingsOf(choice: Choice, environment: Environment): Settings {
  const places = placesOf(environment);
  const settings = resolveSettings({
    flags: choice.settings,
    environment,
    file: readConfigFile(places.configFile),
    cwd: process.cwd(),
    defaultCacheDir: places.cacheDir,
  });
  if (settings.username !== undefined && !settings.passwordStdin && choice.spec.asksPassword !== true) {
    throw new RiffleError("usage", "--username is given without --password-stdin", {
      hint: "pipe the password in with --password-stdin, or store it with riffle login",
    });
  }
  if (settings.passwordStdin && settings.username === undefined) {
    throw new RiffleError("usage", "--password-stdin is given without --username", { hint: "add --username NAME" });
  }
  return settings;
}

async function perform(choice: Choice, environment: Environment, out: Output, notes: Notes): Promise<number> {
  let json = wantsJson(process.argv.slice(2), environment);
  try {
    const settings = settingsOf(choice, environment);
    json = settings.json;
    const log = createLog({ notes, settings });
    const signals = watchSignals(() => process.exit(EXIT_CODES.aborted));
    const context: Context = {
      settings,
      environment,
      places: placesOf(environment),
      cwd: process.cwd(),
      out,
      notes,
      log,
      signal: signals.signal,
      takeSignals: signals.take,
    };
    const { run } = await choice.spec.load();
    const code = await run(choice.args, choice.flags, context);
    await out.flush();
    return code ?? 0;
  } catch (error) {
    const { failureCode } = choice.spec;
    return report(error, { context: choice.context, json, failureCode, out, notes });
  }
}

/** Runs the command line of this process; resolves to its exit code once all output is written. */
export async function main(): Promise<number> {
  const out = createOutput(1);
  const notes = createNotes(2);
  const words = process.argv.slice(2);
  const environment: Environment = process.env;
  const json = wantsJson(words, environment);
  const onBug = async (error: unknown): Promise<void> => {
    process.exit(await report(error, { context: "riffle", json, out, notes }));
  };
  process.on("uncaughtException", (error) => void onBug(error));
  process.on("unhandledRejection", (error) => void onBug(error));
  const parsed = parseArguments(words, packageVersion());
  if (parsed.kind === "choice") return perform(parsed.choice, environment, out, notes);
  const said = parsed.text?.replace(/\n$/, "");
  if (parsed.kind === "failure") {
    if (said === undefined) return report(parsed.error, { context: parsed.context, json, out, notes });
    notes.write(`${said}\n`);
    return EXIT_CODES.usage;
  }
  try {
    await out.line(said ?? "");
    await out.flush();
  } catch (error) {
    return report(error, { context: "riffle", json, out, notes });
  }
  return 0;
}
