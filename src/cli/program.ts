import { Command, CommanderError, Help, Option } from "commander";
import { RiffleError } from "../errors.ts";
import type { CommandGroup, CommandSpec, Flags, FlagSpec } from "./command.ts";
import { SETTINGS } from "./settings.ts";
import { FORMAT_SPECS } from "./specs/format-specs.ts";
import { CACHE_GROUP, MACHINE_SPECS, NOT_YET_COMMANDS } from "./specs/machine-specs.ts";
import { MOUNT_SPECS } from "./specs/mount-specs.ts";
import { READ_SPECS } from "./specs/read-specs.ts";

/** A command that was chosen, with its words. */
export interface Choice {
  readonly spec: CommandSpec;
  readonly context: string;
  readonly args: readonly string[];
  readonly flags: Flags;
  /** Global flags that were given, by setting name. */
  readonly settings: ReadonlyMap<string, unknown>;
}

export type Parsed =
  | { readonly kind: "choice"; readonly choice: Choice }
  /** Help or the version: text that was asked for. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "failure"; readonly context: string; readonly error: RiffleError; readonly text?: string };

/** Commander keeps `--no-cache` as `cache`, off. */
const NEGATION = "no-";
const GLOBAL_GROUP = "Global options (also RIFFLE_* variables and keys of the configuration file):";

function notYet(what: string): RiffleError {
  return new RiffleError("not-yet", `${what} is not yet available`, { hint: "it belongs to a later stage of riffle" });
}

function addSettings(command: Command): Command {
  for (const { name, kind, flags, about, only } of SETTINGS) {
    if (only?.includes(command.name()) === false) continue;
    const option = new Option(flags, about);
    if (only === undefined) option.helpGroup(GLOBAL_GROUP);
    if (kind === "count") option.argParser((_, before: unknown) => (typeof before === "number" ? before : 0) + 1);
    command.addOption(option);
    if (name.startsWith(NEGATION)) command.setOptionValueWithSource(name.slice(NEGATION.length), true, "default");
  }
  return command;
}

function addFlag(command: Command, { flags, about, repeatable, choices, notYet: later }: FlagSpec): void {
  const option = new Option(flags, about);
  if (choices !== undefined) option.choices(choices);
  if (later === true) option.hideHelp();
  if (repeatable === true)
    option.argParser((value, before: unknown) => [...(Array.isArray(before) ? (before as unknown[]) : []), value]);
  command.addOption(option);
}

/** The global flags on a chain of commands, outermost first: the innermost wins, counts add up. */
function givenSettings(chain: readonly Command[]): ReadonlyMap<string, unknown> {
  const given = new Map<string, unknown>();
  for (const command of chain) {
    for (const { name, kind } of SETTINGS) {
      const attribute = new Option(`--${name}`).attributeName();
      if (command.getOptionValueSource(attribute) !== "cli") continue;
      const value: unknown = command.getOptionValue(attribute);
      if (name.startsWith(NEGATION)) given.set(name, true);
      else if (kind === "count") given.set(name, Number(given.get(name) ?? 0) + Number(value));
      else given.set(name, value);
    }
  }
  return given;
}

function flagsOf(command: Command): Flags {
  const value = (name: string): unknown => command.getOptionValue(new Option(`--${name}`).attributeName());
  return {
    on: (name) => value(name) === true,
    text: (name) => {
      const text = value(name);
      return typeof text === "string" ? text : undefined;
    },
    list: (name) => {
      const list = value(name);
      return Array.isArray(list) ? list.filter((item): item is string => typeof item === "string") : [];
    },
  };
}

function chainOf(command: Command): readonly Command[] {
  const chain: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) chain.unshift(at);
  return chain;
}

function examplesText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`;
}

interface Collected {
  choice?: Choice;
  current: string;
  text: string;
}

function addCommand(parent: Command, spec: CommandSpec, collected: Collected): void {
  const command = parent.command(`${spec.name} ${spec.args}`.trim());
  command.summary(spec.about);
  command.description(spec.more === undefined ? spec.about : `${spec.about}\n\n${spec.more.replaceAll("\n", " ")}`);
  if (spec.alias !== undefined) command.alias(spec.alias);
  if (spec.passesArguments === true) command.usage("[options] <ref> -- <cmd...>");
  if (spec.name === "cp") command.usage("[options] <ref> <path...> <dest>");
  for (const flag of spec.flags) addFlag(command, flag);
  addSettings(command).addHelpText("after", examplesText(spec.examples));
  command.action(() => {
    for (const flag of spec.flags) {
      const option = new Option(flag.flags);
      if (flag.notYet === true && command.getOptionValueSource(option.attributeName()) === "cli")
        throw notYet(option.long ?? flag.flags);
    }
    const chain = chainOf(command);
    collected.choice = {
      spec,
      context: chain
        .slice(1)
        .map((link) => link.name())
        .join(" "),
      args: command.args,
      flags: flagsOf(command),
      settings: givenSettings(chain),
    };
  });
}

function addLater(parent: Command, name: string): void {
  const prefix = parent.parent === null ? "" : `${parent.name()} `;
  parent
    .command(name, { hidden: true })
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw notYet(`riffle ${prefix}${name}`);
    });
}

function addGroup(parent: Command, group: CommandGroup, collected: Collected): void {
  const command = addSettings(parent.command(group.name)).description(group.about).enablePositionalOptions();
  for (const spec of group.commands) addCommand(command, spec, collected);
  for (const name of group.notYet) addLater(command, name);
  command.addHelpText("after", examplesText(group.commands.flatMap(({ examples }) => examples)));
}

function settle(command: Command, collected: Collected): void {
  const plain = new Help();
  command.configureHelp({
    // A command's own options first, the global ones last.
    visibleOptions: (of) => {
      const all = plain.visibleOptions(of);
      const own = all.filter(({ helpGroupHeading }) => helpGroupHeading !== GLOBAL_GROUP);
      return [...own, ...all.filter((option) => !own.includes(option))];
    },
  });
  command.exitOverride().configureOutput({
    writeOut: (text) => void (collected.text += text),
    writeErr: (text) => void (collected.text += text),
    outputError: () => undefined,
  });
  command.hook("preSubcommand", (_, sub) => void (collected.current = `${collected.current} ${sub.name()}`.trim()));
  for (const sub of command.commands) settle(sub, collected);
}

function buildProgram(version: string, collected: Collected): Command {
  const program = new Command("riffle")
    .description("Mount any OCI artifact as a read-only directory and fetch only the bytes that are read.")
    .version(version, "--version", "print the version")
    .enablePositionalOptions();
  addSettings(program);
  for (const spec of [...MOUNT_SPECS, ...READ_SPECS, ...FORMAT_SPECS]) addCommand(program, spec, collected);
  addGroup(program, CACHE_GROUP, collected);
  for (const spec of MACHINE_SPECS) addCommand(program, spec, collected);
  for (const name of NOT_YET_COMMANDS) addLater(program, name);
  program.addHelpText(
    "after",
    `${examplesText([
      "riffle mount ghcr.io/eo/scenes:v1 /mnt/scenes",
      "riffle status",
      "riffle unmount /mnt/scenes",
      "riffle ls -lR oci:./layout:v1",
    ])}\n\nriffle COMMAND --help says more and gives examples.`,
  );
  settle(program, collected);
  return program;
}

/** Commander's words as ours: `error: unknown option '--x'\n(Did you mean --y?)`. */
function usageError(error: CommanderError, command: string): RiffleError {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const guess = rest.join(" ").replaceAll(/^\(|\)$/g, "");
  const message = first.charAt(0).toLowerCase() + first.slice(1).replace(/\.$/, "");
  return new RiffleError("usage", message, { hint: guess === "" ? `see ${command} --help` : guess });
}

/** Reads the words of a command line; reads and loads nothing else. */
export function parseArguments(words: readonly string[], version: string): Parsed {
  const collected: Collected = { current: "", text: "" };
  const program = buildProgram(version, collected);
  try {
    program.parse(words, { from: "user" });
  } catch (error) {
    const context = collected.current === "" ? "usage" : collected.current;
    if (!(error instanceof CommanderError)) {
      if (error instanceof RiffleError) return { kind: "failure", context, error };
      throw error;
    }
    if (error.exitCode === 0) return { kind: "text", text: collected.text };
    if (error.code === "commander.help") {
      const missing = new RiffleError("usage", "a command is missing");
      return { kind: "failure", context, error: missing, text: collected.text };
    }
    return { kind: "failure", context, error: usageError(error, `riffle ${collected.current}`.trim()) };
  }
  if (collected.choice === undefined) throw new RiffleError("internal", "no command was chosen");
  return { kind: "choice", choice: collected.choice };
}
