import { setMaxListeners } from "node:events";
import { RiffleError } from "../errors.ts";

const ENDING: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

export interface Signals {
  readonly signal: AbortSignal;
  /** From now on signals go to `listener` and no longer abort `signal`; until the answer is called. */
  readonly take: (listener: (name: NodeJS.Signals) => void) => () => void;
}

/**
 * The first signal aborts, so that everything is cleaned up on the way out; the second one leaves at once.
 * `leave` ends the process.
 */
export function watchSignals(leave: () => void): Signals {
  const controller = new AbortController();
  // Every wait of a command listens to it.
  setMaxListeners(0, controller.signal);
  const takers: ((name: NodeJS.Signals) => void)[] = [];
  for (const name of ENDING) {
    process.on(name, () => {
      const taker = takers.at(-1);
      if (taker !== undefined) taker(name);
      else if (controller.signal.aborted) leave();
      else controller.abort(new RiffleError("aborted", "interrupted", { facts: { signal: name } }));
    });
  }
  return {
    signal: controller.signal,
    take: (listener) => {
      takers.push(listener);
      return () => {
        const at = takers.indexOf(listener);
        if (at >= 0) takers.splice(at, 1);
      };
    },
  };
}
