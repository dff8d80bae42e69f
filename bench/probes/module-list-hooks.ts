import { appendFileSync } from "node:fs";
import type { InitializeHook, LoadHook } from "node:module";

let list = "/dev/null";

export const initialize: InitializeHook<{ readonly list: string }> = (data) => {
  list = data.list;
};

export const load: LoadHook = (url, context, nextLoad) => {
  appendFileSync(list, `${url}\n`);
  return nextLoad(url, context);
};
