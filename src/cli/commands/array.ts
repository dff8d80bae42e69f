import type { ArrayQuery } from "../../formats/array.ts";
import { writeArray, type ArrayFormat } from "../array/write-array.ts";
import type { Run } from "../command.ts";
import { ask } from "../query/ask.ts";
import { checkStdout, chooseFormat } from "../query/destination.ts";

const FORMATS: readonly ArrayFormat[] = ["npy", "json"];
const ENDINGS = { ".npy": "npy", ".json": "json" } as const;

export const run: Run = async ([reference = "", path = ""], flags, context) => {
  const name = flags.text("name");
  const slice = flags.text("slice");
  const query: ArrayQuery = { ...(name !== undefined && { name }), ...(slice !== undefined && { slice }) };
  const output = flags.text("output");
  const isText = context.settings.json || context.out.isTerminal;
  const format = chooseFormat({
    flag: flags.text("format"),
    output,
    endings: ENDINGS,
    names: FORMATS,
    fallback: output === undefined && isText ? "json" : "npy",
  });
  if (!flags.on("explain")) {
    checkStdout(context, { output, format, kind: format === "json" ? "json" : "binary" });
  }
  return ask(
    {
      reference,
      path,
      query,
      words: { ...query },
      format,
      open: (artifact, file, options) => artifact.array(file, options),
      answer: async (reader, sink) => {
        for await (const piece of writeArray(reader.scan(query), format)) await sink.bytes(piece);
        return {};
      },
    },
    { flags, context },
  );
};
