import type { RangeSource } from "../bytes/source.ts";
import { detectDirectory, detectFormat, likelyFormats } from "./detect.ts";
import type { FileInfo, FileSet, FormatOptions } from "./format.ts";
import type { Format, FormatHint } from "./formats.ts";

/** What is known of a file; of one that is in no format that riffle knows, only notes. */
export type Description = FileInfo | { readonly format: undefined; readonly notes: readonly string[] };

function unread({ name, title }: Format): FileInfo {
  return { format: name, title, facts: {}, notes: ["riffle does not look into files of this format"] };
}

/**
 * Detects and describes: one request of 64 KiB where the hint is right and the index fits in it, with a source that keeps
 * what it read. Rejects as the format's `info` does: with `malformed` for content that only pretends.
 */
export async function describeFile(
  source: RangeSource,
  hint: FormatHint = {},
  options: FormatOptions = {},
): Promise<Description> {
  const format = await detectFormat(source, hint, options);
  if (format !== undefined) {
    const module = await format.load?.();
    return module === undefined ? unread(format) : module.info(source, options);
  }
  if (source.size === 0) return { format: undefined, notes: ["the file is empty"] };
  const titles = likelyFormats(hint).map(({ title }) => title);
  const named = `its name or media type says ${titles.join(" or ")}, but its content is not that`;
  return {
    format: undefined,
    notes: [titles.length > 0 ? named : "its content is of no format that riffle looks into"],
  };
}

/** The same for a directory; undefined when it is not one file in parts. */
export async function describeDirectory(files: FileSet, options: FormatOptions = {}): Promise<FileInfo | undefined> {
  const format = detectDirectory(files);
  if (format === undefined) return undefined;
  const module = await format.loadDirectory?.();
  return module === undefined ? unread(format) : module.info(files, options);
}
