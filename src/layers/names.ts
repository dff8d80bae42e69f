import { digestAlgorithm, digestHex, type Digest } from "../bytes/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { entryDirectoryName } from "../oci/platform.ts";

/** A name that was changed, or a layer that was left out (`name` is undefined). One for each at most. */
export interface TreeWarning {
  readonly layer: Digest;
  /** The name as the artifact has it, printable and cut to a bearable length. */
  readonly original: string;
  readonly name: string | undefined;
  readonly reason: string;
}

/** What the path of a blob should be, before other names are known. */
export interface Wish {
  readonly layer: Digest;
  readonly original: string;
  /** The safe path; undefined when the layer is left out. */
  readonly path: string | undefined;
  readonly reasons: readonly string[];
}

export interface NamedLayers {
  /** A path for each wish, in their order; undefined for those left out. All differ, and none lies inside another. */
  readonly paths: readonly (string | undefined)[];
  readonly warnings: readonly TreeWarning[];
}

/** INTERFACE section 3.1, in order of precedence. */
const NAME_KEYS = ["org.opencontainers.image.title", "org.cnai.model.filepath", "org.cncf.model.filepath"] as const;

const COMPONENT_BYTES = 255;
/** PATH_MAX of Linux without its NUL: no program could open a longer path. */
const PATH_BYTES = 4095;
const SHOWN_CHARACTERS = 200;
const METADATA_DIRECTORY = ".oci";

/** `sha256-` and 12 hex digits: the name of what has no name. */
function digestName(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 12)}`;
}

/** The name that a layer asks for, made safe. `extension` is that of its media type, with the dot. */
export function layerWish(layer: Descriptor, options: { readonly extension: string; readonly atRoot: boolean }): Wish {
  const fallback = digestName(layer.digest) + options.extension;
  const key = NAME_KEYS.find((name) => Object.hasOwn(layer.annotations, name));
  const original = key === undefined ? undefined : layer.annotations[key];
  return safeWish(original, { digest: layer.digest, fallback, atRoot: options.atRoot });
}

/**
 * The directory that an entry of an index without platforms asks for, made safe. Where a layer would be left out, an entry
 * gets the name of its digest: a bad reference name must not hide all of its files.
 */
export function entryWish(entry: Descriptor): Wish {
  const options = { digest: entry.digest, fallback: digestName(entry.digest), atRoot: true };
  const wish = safeWish(entryDirectoryName(entry), options);
  return wish.path === undefined ? { ...wish, path: options.fallback } : wish;
}

interface WishOptions {
  readonly digest: Digest;
  readonly fallback: string;
  /** Whether the first component lies beside `.oci`. */
  readonly atRoot: boolean;
}

function safeWish(original: string | undefined, { digest, fallback, atRoot }: WishOptions): Wish {
  if (original === undefined) return { layer: digest, original: fallback, path: fallback, reasons: [] };
  const shown = printable(original);
  const refused = unfit(original);
  if (refused !== undefined) return { layer: digest, original: shown, path: undefined, reasons: [refused] };
  const reasons: string[] = [];
  const wellFormed = Buffer.from(original).toString();
  if (wellFormed !== original) reasons.push("is not well-formed Unicode");
  const steps = insideRoot(wellFormed);
  let path = steps.join("/");
  if (path === "") {
    path = fallback;
    reasons.push("names no file");
  } else if (path !== wellFormed) reasons.push("is not a plain relative path");
  if (atRoot && steps[0] === METADATA_DIRECTORY) {
    path = `${METADATA_DIRECTORY}~file${path.slice(METADATA_DIRECTORY.length)}`;
    reasons.push("would hide the .oci directory");
  }
  return { layer: digest, original: shown, path, reasons };
}

/** Why a layer of this name is left out, if it is. */
function unfit(name: string): string | undefined {
  if (name.includes("\\")) return "holds a backslash";
  if (name.includes("\0")) return "holds NUL";
  if (/\p{Cc}/u.test(name)) return "holds a control character";
  if (name.split("/").some((step) => Buffer.byteLength(step) > COMPONENT_BYTES))
    return "has a component over 255 bytes";
  return Buffer.byteLength(name) > PATH_BYTES ? "is longer than any path may be" : undefined;
}

/** The steps of a path as they lead from the root, which `..` does not leave. */
function insideRoot(path: string): string[] {
  const steps: string[] = [];
  for (const step of path.split("/")) {
    if (step === "..") steps.pop();
    else if (step !== "" && step !== ".") steps.push(step);
  }
  return steps;
}

/**
 * Gives each wish a path of its own. Names that need no change are given first, so that no other's `~2` takes them; the rest
 * follow in order. `extension: false` numbers behind the whole name (directories have no extension).
 */
export function assignNames(wishes: readonly Wish[], options: { readonly extension?: boolean } = {}): NamedLayers {
  const names = new NameSpace(options.extension ?? true);
  for (const { path } of wishes) if (path !== undefined) names.addDirectories(path);
  const paths = wishes.map(({ path }) => (path !== undefined && names.claim(path) ? path : undefined));
  const warnings: TreeWarning[] = [];
  wishes.forEach((wish, index) => {
    const reasons = [...wish.reasons];
    if (wish.path !== undefined && paths[index] === undefined) paths[index] = names.rename(wish.path, reasons);
    const name = paths[index];
    if (reasons.length === 0) return;
    warnings.push({ layer: wish.layer, original: wish.original, name, reason: reasons.join(", ") });
  });
  return { paths, warnings };
}

/**
 * The names taken and the directories needed, as a trie: keys are a directory's number and one name in it, so that deep paths
 * cost their length once, not once for each directory above them.
 */
class NameSpace {
  readonly #extension: boolean;
  readonly #directories = new Map<string, number>();
  readonly #files = new Set<string>();
  /** The next number to try for a name: numbers are never tried twice. */
  readonly #next = new Map<string, number>();

  constructor(extension: boolean) {
    this.#extension = extension;
  }

  addDirectories(path: string): void {
    this.#directoryOf(path);
  }

  claim(path: string): boolean {
    return this.#claim(`${this.#directoryOf(path)}/`, path.slice(path.lastIndexOf("/") + 1));
  }

  /** A free path near `path`, whose reasons are added; undefined when its name grew too long. */
  rename(path: string, reasons: string[]): string | undefined {
    const cut = path.lastIndexOf("/") + 1;
    const directory = `${this.#directoryOf(path)}/`;
    let name = path.slice(cut);
    if (this.#directories.has(directory + name)) {
      reasons.push("is a directory of other files");
      while (this.#directories.has(directory + name)) name += "~file";
    }
    if (!this.#claim(directory, name)) {
      reasons.push("is the name of another file");
      name = this.#numbered(directory, name);
    }
    if (Buffer.byteLength(name) <= COMPONENT_BYTES) return path.slice(0, cut) + name;
    reasons.push("leaves no room for another name");
    return undefined;
  }

  /** The number of the directory that `path` lies in; made where it is new. */
  #directoryOf(path: string): number {
    let directory = 0;
    let start = 0;
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", start)) {
      const key = `${directory}/${path.slice(start, slash)}`;
      directory = this.#directories.get(key) ?? this.#directories.size + 1;
      this.#directories.set(key, directory);
      start = slash + 1;
    }
    return directory;
  }

  #claim(directory: string, name: string): boolean {
    const key = directory + name;
    if (this.#directories.has(key) || this.#files.has(key)) return false;
    this.#files.add(key);
    return true;
  }

  #numbered(directory: string, name: string): string {
    const dot = this.#extension ? name.lastIndexOf(".") : -1;
    // A dot that begins the name begins no extension.
    const cut = dot > 0 ? dot : name.length;
    const key = directory + name;
    for (let number = this.#next.get(key) ?? 2; ; number += 1) {
      const candidate = `${name.slice(0, cut)}~${number}${name.slice(cut)}`;
      if (!this.#claim(directory, candidate)) continue;
      this.#next.set(key, number + 1);
      return candidate;
    }
  }
}

/** Control, format and lone surrogate characters and backslashes as escapes; the end of long text is cut. */
export function printable(text: string): string {
  let shown = "";
  let count = 0;
  for (const character of text) {
    if (count === SHOWN_CHARACTERS) return `${shown}...`;
    count += 1;
    const code = character.codePointAt(0) ?? 0;
    if (character === "\\") shown += "\\\\";
    else if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) shown += character;
    else shown += code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  }
  return shown;
}
