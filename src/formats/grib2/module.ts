import type { RangeSource } from "../../bytes/source.ts";
import { extentTable, type Extent, type ExtentTable } from "../extents.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { walkMessages, type GribWalk } from "./messages.ts";

/** Each is a round trip that waits for the one before: info is not worth more. */
const INFO_REQUESTS = 32;
/** For the mount: what follows is read without extents. */
const EXTENT_REQUESTS = 2;
const SHOWN_FIELDS = 200;

const STOPS: Readonly<Record<Exclude<GribWalk["stop"], "end">, string>> = {
  requests: "more messages follow: GRIB has no index, and only the first ones were looked at",
  messages: "more messages follow: only the first ones were looked at",
  "other data": "after the last message follow bytes that are no message",
  "cut short": "the last message is cut short",
};

async function info(source: RangeSource, options?: FormatOptions): Promise<FileInfo> {
  const { messages, stop } = await walkMessages(source, INFO_REQUESTS, options);
  const editions = [...new Set(messages.map(({ edition }) => edition))];
  const fields = messages.flatMap((message, at) =>
    message.fields.map((field) => ({
      message: at + 1,
      offset: message.start,
      bytes: message.end - message.start,
      ...field,
    })),
  );
  const isAll = stop !== "requests" && stop !== "messages";
  return {
    format: "grib2",
    title: editions.length === 1 ? `GRIB edition ${editions[0]}` : "GRIB",
    facts: {
      editions,
      [isAll ? "messages" : "messagesSeen"]: messages.length,
      messageBytes: messages.reduce((sum, { start, end }) => sum + end - start, 0),
      fields: fields.slice(0, SHOWN_FIELDS),
    },
    notes: [
      ...(stop === "end" ? [] : [STOPS[stop]]),
      ...(editions.includes(1) ? ["messages of edition 1 are only counted"] : []),
      ...(fields.length > SHOWN_FIELDS ? [`the first ${SHOWN_FIELDS} of ${fields.length} fields are shown`] : []),
    ],
  };
}

/** The messages that two requests show. */
async function extents(source: RangeSource, options?: FormatOptions): Promise<ExtentTable> {
  const { messages } = await walkMessages(source, EXTENT_REQUESTS, options);
  return extentTable(
    messages.map(({ start, end }): Extent => ({ start, end, series: 0 })),
    source.size,
  );
}

export const grib2: FormatModule = { info, extents };
