import type { Log } from "./log.ts";
import type { Notes, Output } from "./output.ts";
import type { Places } from "./places.ts";
import type { Settings } from "./settings.ts";

/** What a command may touch: everything from outside comes through here. */
export interface Context {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly places: Places;
  readonly cwd: string;
  readonly out: Output;
  readonly notes: Notes;
  readonly log: Log;
  /** Aborted by Ctrl-C and by a polite end from outside. */
  readonly signal: AbortSignal;
  /** From now on signals go to `listener` and no longer abort `signal`; until the answer is called. */
  readonly takeSignals: (listener: (name: NodeJS.Signals) => void) => () => void;
}

/** The flags of one command, after commander has read them. */
export interface Flags {
  on(name: string): boolean;
  text(name: string): string | undefined;
  list(name: string): readonly string[];
}

/** A command's work. Resolves to an exit code (0 when undefined); failures are thrown. */
export type Run = (args: readonly string[], flags: Flags, context: Context) => Promise<number | undefined>;

export interface FlagSpec {
  /** As commander reads them: `-l, --long`, `--range <range>`. */
  readonly flags: string;
  readonly about: string;
  readonly repeatable?: boolean;
  readonly choices?: readonly string[];
  /** Documented for a later stage: giving it is "not yet". */
  readonly notYet?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  readonly alias?: string;
  /** As commander reads them: `<ref> [path]`. */
  readonly args: string;
  readonly about: string;
  readonly more?: string;
  readonly flags: readonly FlagSpec[];
  readonly examples: readonly string[];
  /** Everything from `--` on, or from the second argument on, belongs to another program. */
  readonly passesArguments?: boolean;
  /** The exit code of failures that are not the caller's words, where it is not by their kind (INTERFACE: `run`). */
  readonly failureCode?: number;
  /** `--username` alone is fine: the command asks for the password. */
  readonly asksPassword?: boolean;
  readonly load: () => Promise<{ readonly run: Run }>;
}

export interface CommandGroup {
  readonly name: string;
  readonly about: string;
  readonly commands: readonly CommandSpec[];
  /** Names whose time has not come. */
  readonly notYet: readonly string[];
}
