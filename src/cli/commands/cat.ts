import { isEmpty } from "../../bytes/range.ts";
import type { Run } from "../command.ts";
import { openFor } from "../open.ts";
import { parseWantedRange, rangeWithin } from "../quantities.ts";
import { fileAt } from "../tree-path.ts";

export const run: Run = async ([reference = "", ...paths], flags, context) => {
  const text = flags.text("range");
  const wanted = text === undefined ? undefined : parseWantedRange(text);
  await using artifact = await openFor(context, reference);
  // All are looked up first: a wrong name is told before the first byte is written.
  const files = paths.map((path) => artifact.file(fileAt(artifact, path).path));
  for (const file of files) {
    const range = wanted === undefined ? { start: 0, end: file.size } : rangeWithin(wanted, file.size);
    if (isEmpty(range)) continue;
    for await (const bytes of file.stream(range, { signal: context.signal })) await context.out.bytes(bytes);
  }
  return 0;
};
