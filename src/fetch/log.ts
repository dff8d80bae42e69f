import type { ErrorFacts } from "../errors.ts";

/** Where this room tells what it does. Messages and facts hold no secret and no query string. */
export type FetchLog = (level: "debug" | "info" | "warn", message: string, facts?: ErrorFacts) => void;
