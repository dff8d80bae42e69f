import { RiffleError } from "../errors.ts";
import { compileName, matchName, type NamePattern } from "./name-pattern.ts";

/**
 * Patterns of `--include` and `--exclude`, matched against paths below the root of the view.
 *
 * - `*` any characters but `/`, `?` one, `[a-c]` and `[!a-c]` one of a set, `\` takes the next as it is; a leading dot is
 *   nothing special, case matters
 * - a pattern without a `/` is a base name at any depth; with one (also a leading one) it is a path from the root
 * - `**` as a whole step is any number of steps, none among them; at the end it is everything below
 * - a `/` at the end matches directories alone
 * - a directory that matches stands for everything below it
 * - exclude wins over include; without any include everything is included
 *
 * A path is followed step by step with the set of positions reached, so that no pattern costs more than its length times
 * the path's.
 */
export interface PathSelection {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** Where a walk stands: what is known of one path, and how to go on below it. */
export interface SelectionCursor {
  /** Neither excluded nor, where there are includes, outside them. Of a directory: everything below is, unless excluded. */
  readonly selected: boolean;
  /** Nothing below can be selected any more. */
  readonly closed: boolean;
  step(name: string, directory: boolean): SelectionCursor;
}

const PATTERN_CHARACTERS = 4096;

interface Glob {
  readonly steps: readonly ("**" | NamePattern)[];
  readonly directoriesOnly: boolean;
}

/** Positions in `steps`, ascending. */
type Reached = readonly number[];

/** Throws `usage` for a pattern that can not match anything or is absurdly long. */
export function startSelection(selection: PathSelection): SelectionCursor {
  const include = (selection.include ?? []).map((pattern) => compile(pattern));
  const exclude = (selection.exclude ?? []).map((pattern) => compile(pattern));
  const rest = exclude.length === 0;

  const cursor = (included: boolean, in_: readonly Reached[], out: readonly Reached[]): SelectionCursor => ({
    selected: included,
    closed: false,
    step: (name, directory) => {
      const excluded = advance(exclude, out, { name, directory });
      if (excluded.matched) return CLOSED;
      if (included && rest) return directory ? cursor(true, in_, out) : SELECTED;
      const found = included ? undefined : advance(include, in_, { name, directory });
      return cursor(found?.matched ?? true, found?.reached ?? in_, excluded.reached);
    },
  });
  return cursor(
    include.length === 0,
    include.map(() => START),
    exclude.map(() => START),
  );
}

const START: Reached = [0];
const CLOSED: SelectionCursor = { selected: false, closed: true, step: () => CLOSED };
const SELECTED: SelectionCursor = { selected: true, closed: false, step: () => SELECTED };

/** Whether one file is selected, from its whole path. */
export function selectsFile(start: SelectionCursor, path: string): boolean {
  const steps = path.split("/").filter((step) => step !== "" && step !== ".");
  let cursor = start;
  steps.forEach((step, index) => {
    cursor = cursor.step(step, index < steps.length - 1);
  });
  return cursor.selected;
}

interface Step {
  readonly name: string;
  readonly directory: boolean;
}

function advance(
  globs: readonly Glob[],
  reached: readonly Reached[],
  step: Step,
): { readonly matched: boolean; readonly reached: readonly Reached[] } {
  let matched = false;
  const next = globs.map((glob, index) => {
    const after = stepOver(glob, reached[index] ?? [], step.name);
    if (after.at(-1) === glob.steps.length && (step.directory || !glob.directoriesOnly)) matched = true;
    return after;
  });
  return { matched, reached: next };
}

function stepOver({ steps }: Glob, from: Reached, name: string): Reached {
  const next = new Set<number>();
  for (const start of from) {
    // `**` matches no step at all, too: whatever follows it is tried at once.
    for (let at = start; at < steps.length; at += 1) {
      const step = steps[at];
      if (step === undefined) break;
      if (step === "**") next.add(at);
      else if (matchName(step, name)) next.add(at + 1);
      if (step !== "**") break;
    }
  }
  return [...next].sort((a, b) => a - b);
}

function compile(pattern: string): Glob {
  if (pattern.length > PATTERN_CHARACTERS) throw new RiffleError("usage", "pattern is longer than 4096 characters");
  // A `/` inside brackets ends the step too: no set may hold one, as in the shell.
  const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0 || parts.includes("..")) {
    throw new RiffleError("usage", `pattern matches nothing: ${JSON.stringify(pattern.slice(0, 80))}`, {
      hint: "patterns are paths below the root of the mount, such as '*.tif' or 'data/**'",
    });
  }
  const directoriesOnly = pattern.endsWith("/");
  const anchored = parts.length > 1 || pattern.startsWith("/");
  const steps = parts
    .filter((part, index) => part !== "**" || parts[index - 1] !== "**")
    .map((part) => (part === "**" ? "**" : compileName(part)));
  // A `**` at the end is what lies below, not the directory itself.
  if (steps.at(-1) === "**") steps.push(compileName("*"));
  return { steps: anchored || steps[0] === "**" ? steps : ["**", ...steps], directoriesOnly };
}
