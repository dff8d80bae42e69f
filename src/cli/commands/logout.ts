import { RiffleError } from "../../errors.ts";
import type { Run } from "../command.ts";

export const run: Run = async () => {
  throw new RiffleError("internal", "logout");
};
