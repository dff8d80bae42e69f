import type { UnitAdvice } from "./extent-follower.ts";
import type { RunAdvice } from "./readahead.ts";

/** What one read suggests to fetch beside it: by what the format says, and by the run of reads that it belongs to. */
export interface Advice extends UnitAdvice {
  readonly run?: RunAdvice;
}
